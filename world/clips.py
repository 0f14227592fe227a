"""Scenes for clips: things that move on every kind of path, slowly or fast, alone or two, under a camera that may pan.

What is held out of training, besides the textures and triples of ``scene``: the middle tenth of every range of speeds,
and two of the eight ways to turn.
"""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from world.paths import DIRECTIONS, OPPOSITE, PACES, UNIT, Direction, Pace, Path
from world.scene import (
    COLOURS,
    RADIUS,
    SHAPES,
    SIZE,
    TILT,
    Background,
    Colour,
    Look,
    Object,
    Scene,
    Shape,
    Split,
    Weather,
    held_out_triple,
    sample_scene,
)

SPEEDS: dict[Pace, tuple[float, float]] = {"slowly": (0.7, 1.4), "plain": (2.0, 3.4), "fast": (4.2, 5.4)}
"""Ranges of speeds in pixels per frame, by the word for them."""

HELD_OUT_SPEEDS = (0.45, 0.55)
"""The share of each range that training never shows."""

HELD_OUT_TURNS: frozenset[tuple[Direction, Direction]] = frozenset({("left", "up"), ("down", "right")})

PAIR_RADIUS = (18.0, 22.0)
"""Range of radii where there are two objects."""

ORBIT = (12.0, 22.0)
"""Range of the circles' radii in pixels."""

PAN = (1.0, 2.5)
"""Range of the camera's speed in pixels per frame, when it pans."""

MARGIN = 2.0
"""What is left free around an object, in pixels."""


def sample_clip(
    seed: int,
    split: Split = "train",
    *,
    frames: int = 16,
    objects: int = 1,
    path: Path | None = None,
    pace: Pace | None = None,
    pans: bool = False,
    weather: Weather = "clear",
    look: Look = "plain",
) -> Scene:
    """A scene from a seed whose objects stay inside the picture, and apart from each other, for ``frames`` frames.

    Args:
        split: textures, triples, speeds and turns of its own, so that no held-out clip is ever trained on.
        path: of every object; drawn when None.
        pace: of every object; drawn when None.
        pans: whether the camera pans, and the caption says so.

    Raises:
        ValueError: when no such scene fits, as of a thing that goes straight and fast for a hundred frames.
    """
    still = sample_scene(seed, split, weather=weather, look=look)
    rng = np.random.default_rng([5 if split == "train" else 6, seed])
    for _ in range(400):
        pan: Direction | None = DIRECTIONS[rng.integers(4)] if pans else None
        camera = tuple(v * float(rng.uniform(*PAN)) for v in UNIT[pan]) if pan else (0.0, 0.0)
        things: list[Object] = []
        for number in range(objects):
            shape, colour = still.objects[0].shape, still.objects[0].colour
            if number:
                shape, colour = _other(rng, colour, still.background, split)
            size = float(rng.uniform(*(RADIUS if objects == 1 else PAIR_RADIUS)))
            tilt = 0.0 if shape == "person" else float(rng.uniform(-TILT, TILT))
            thing = Object(shape, colour, "left", (0.0, 0.0), 0.0, size, tilt)
            placed = _moving(rng, thing, split, frames, path, pace, np.asarray(camera))
            if placed is not None:
                things.append(placed)
        if len(things) == objects and _apart(things, frames):
            return replace(still, objects=tuple(things), camera=cast(tuple[float, float], camera), pan=pan)
    raise ValueError(f"seed {seed}: no scene of {objects} objects fits the picture for {frames} frames")


def _other(rng: np.random.Generator, taken: Colour, ground: Background, split: Split) -> tuple[Shape, Colour]:
    """Shape and colour of the second object, of another colour than the first."""
    while True:
        shape, colour = SHAPES[rng.integers(5)], COLOURS[rng.integers(8)]
        if colour != taken and not (split == "train" and held_out_triple(shape, colour, ground)):
            return shape, colour


def _speed(rng: np.random.Generator, pace: Pace, split: Split) -> float:
    low, high = SPEEDS[pace]
    share = float(rng.uniform(*HELD_OUT_SPEEDS))
    if split == "train":
        share = float(rng.uniform(0, 0.9))
        share += 0.1 * (share >= HELD_OUT_SPEEDS[0])
    return low + share * (high - low)


def _turns(split: Split) -> list[tuple[Direction, Direction]]:
    every = [(a, b) for a in DIRECTIONS for b in DIRECTIONS if b not in (a, OPPOSITE[a])]
    return [turn for turn in every if split == "held_out" or turn not in HELD_OUT_TURNS]


def _moving(
    rng: np.random.Generator,
    thing: Object,
    split: Split,
    frames: int,
    path: Path | None,
    pace: Pace | None,
    camera: NDArray[np.float64],
) -> Object | None:
    """``thing`` on a path that stays in view, or None when the one that was drawn does not fit."""
    kinds: tuple[Path, ...] = ("straight", "still", "bouncing", "turning", "circling")
    way = path or kinds[rng.choice(5, p=[0.42, 0.12, 0.16, 0.16, 0.14])]
    word: Pace = pace or PACES[rng.choice(3, p=[0.25, 0.5, 0.25])]
    turns = _turns(split)
    first, then = turns[rng.integers(len(turns))]
    edge = thing.radius + MARGIN
    moving = replace(
        thing,
        path=way,
        pace="plain" if way == "still" else word,
        direction=first if way == "turning" else DIRECTIONS[rng.integers(4)],
        speed=_speed(rng, word, split),
        phase=float(rng.uniform(0, 2 * np.pi)),
    )
    if way == "turning":
        moving = replace(moving, then=then, turn=float(rng.uniform(0.3, 0.7)) * (frames - 1))
    if way == "circling":
        orbit = float(rng.uniform(*ORBIT)) * (1 if rng.random() < 0.5 else -1)
        moving = replace(moving, orbit=orbit, angle=float(rng.uniform(0, 2 * np.pi)))
    times = np.arange(frames)
    if way == "bouncing":
        if camera.any():
            return None  # the walls do not travel with the camera
        start = rng.uniform(edge, SIZE - edge, 2)
        return replace(moving, start=(float(start[0]), float(start[1])), walls=(edge, SIZE - edge))
    gone = np.array([moving.position(float(time)) for time in times]) - times[:, None] * camera
    low, high = edge - gone.min(axis=0), SIZE - edge - gone.max(axis=0)
    if (low > high).any():
        return None
    start = rng.uniform(low, high)
    return replace(moving, start=(float(start[0]), float(start[1])))


def _apart(things: list[Object], frames: int) -> bool:
    """Whether two objects never hide each other."""
    if len(things) < 2:
        return True
    one, other = (np.array([thing.position(time) for time in range(frames)]) for thing in things)
    return bool((np.linalg.norm(one - other, axis=1) > 0.95 * (things[0].radius + things[1].radius)).all())
