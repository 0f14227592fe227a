"""What a scene of the procedural world is: its attributes, its caption, and how one is drawn from a seed.

The world is one seeded 2-D stage of ``SIZE`` x ``SIZE`` pixels. One or two objects move over a textured ground seen by
a camera that may pan, in clear air, rain or snow, drawn in one of three looks. Everything that a condition could speak
of (mask, joints, flow, position, weather intensity) is known exactly. ``sample_scene`` draws what moves in a straight
line, ``clips.sample_clip`` every path.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal, get_args

import numpy as np

from world import paths
from world.paths import DIRECTIONS, Direction, Pace, Path

SIZE = 128
"""Height and width of a frame, in pixels."""

Shape = Literal["circle", "square", "triangle", "star", "person"]
Colour = Literal["red", "orange", "yellow", "green", "cyan", "blue", "purple", "white"]
Background = Literal["grass", "sand", "water", "night", "brick", "stone"]
Weather = Literal["clear", "rain", "snow"]
Look = Literal["plain", "sketch", "neon"]
Split = Literal["train", "held_out"]

SHAPES: tuple[Shape, ...] = get_args(Shape)
COLOURS: tuple[Colour, ...] = get_args(Colour)
BACKGROUNDS: tuple[Background, ...] = get_args(Background)
WEATHERS: tuple[Weather, ...] = get_args(Weather)
LOOKS: tuple[Look, ...] = get_args(Look)

FAINTEST = 0.15
"""Least intensity of rain or snow that a scene is drawn with."""

STRENGTHS = ("light", "heavy")
"""Words for weather of the least and the greatest intensity."""

RADIUS = (20.0, 27.0)
"""Range of object radii in pixels."""

TILT = 0.25
"""Most that things are turned either way, in radians; persons stand upright."""

SPEED = (2.0, 4.0)
"""Range of object speeds in pixels per frame."""

TRAIN_TEXTURES = range(64)
HELD_OUT_TEXTURES = range(1000, 1032)


def held_out_triple(shape: Shape, colour: Colour, background: Background) -> bool:
    """Whether this combination of attributes is kept out of training: 24 of the 240, every value among them."""
    index = 3 * SHAPES.index(shape) + COLOURS.index(colour) + 2 * BACKGROUNDS.index(background)
    return index % 10 == 7


@dataclass(frozen=True)
class Object:
    """One moving thing. Pixels and pixels per frame, in the world's coordinates (the camera's at frame 0)."""

    shape: Shape
    colour: Colour
    direction: Direction
    start: tuple[float, float]
    speed: float
    radius: float
    tilt: float = 0.0
    """Radians, clockwise on the screen."""
    phase: float = 0.0
    """Where in its stride a walking person starts, in radians."""
    path: Path = "straight"
    pace: Pace = "plain"
    """The word for its speed."""
    then: Direction | None = None
    """Where it goes after the turn, when it turns."""
    turn: float = 0.0
    """When it turns, in frames."""
    orbit: float = 0.0
    """Radius of the circle around ``start``, when it circles; clockwise on the screen when positive."""
    angle: float = 0.0
    """Where on that circle it begins, in radians."""
    walls: tuple[float, float] = (0.0, float(SIZE))
    """Between which its centre bounces along its direction, when it bounces."""

    @property
    def phrase(self) -> str:
        article = "an" if self.colour[0] in "aeiou" else "a"
        return f"{article} {self.colour} {self.shape} {paths.words(self)}"

    def position(self, time: float) -> tuple[float, float]:
        """Centre (x, y) in pixels at ``time`` in frames."""
        return paths.position(self, time)

    def heading(self, time: float) -> Direction:
        """The direction it faces at ``time`` in frames."""
        return paths.heading(self, time)


@dataclass(frozen=True)
class Scene:
    """Everything that determines a clip of the world, to the last pixel."""

    objects: tuple[Object, ...]
    background: Background
    texture: int
    """Seed of the ground's texture, which also places the weather's particles."""
    offset: tuple[int, int] = (0, 0)
    """Where on the texture the camera stands at frame 0, in pixels."""
    camera: tuple[float, float] = (0.0, 0.0)
    """The camera's velocity (x, y) in pixels per frame."""
    weather: Weather = "clear"
    intensity: float = 0.0
    """How much it rains or snows, 0 to 1."""
    look: Look = "plain"
    pan: Direction | None = None
    """The word for where the camera goes; None where the caption is silent about it."""

    @property
    def caption(self) -> str:
        """The full caption, in the one grammar that the miniature reads."""
        return self.said(f"{' and '.join(each.phrase for each in self.objects)} over {self.background}")

    @property
    def strength(self) -> float:
        """The weather's intensity from the least (0), "light", to the greatest (1), "heavy"."""
        return (self.intensity - FAINTEST) / (1 - FAINTEST)

    def said(self, what: str) -> str:
        """``what`` is to be seen, in words, and the weather and the look that it is seen in."""
        if self.weather != "clear":
            graded = "light " if self.strength < 0.3 else "heavy " if self.strength > 0.7 else ""
            what += f" in {graded}{self.weather}"
        if self.pan is not None:
            what += f" as the camera pans {self.pan}"
        return what if self.look == "plain" else f"{self.look} of {what}"

    def changed(self, **attributes: str) -> Scene:
        """The counterfactual: the same scene with attributes of the first object, the ground or the look replaced.

        Keys: ``shape``, ``colour``, ``direction`` (of the first object), ``background``, ``weather``, ``look``.
        """
        of_object: dict[str, Any] = {
            key: value for key, value in attributes.items() if key in {"shape", "colour", "direction"}
        }
        of_scene: dict[str, Any] = {key: value for key, value in attributes.items() if key not in of_object}
        first = replace(self.objects[0], **of_object)
        return replace(self, objects=(first, *self.objects[1:]), **of_scene)


def sample_scene(
    seed: int,
    split: Split = "train",
    *,
    frames: int = 8,
    unseen: bool | None = None,
    objects: int = 1,
    weather: Weather = "clear",
    look: Look = "plain",
    moving_camera: bool = False,
) -> Scene:
    """A scene from a seed; its objects stay inside the frame for ``frames`` frames.

    ``split`` chooses textures and a seed range of its own, so no held-out scene is ever trained on. ``unseen`` asks
    for a (shape, colour, background) triple that training never shows (True) or does (False); None is False in
    training and either when held out.
    """
    rng = np.random.default_rng([0 if split == "train" else 1, seed])
    if split == "train" and unseen:
        raise ValueError("training scenes cannot use the attribute triples that are held out")
    wanted = False if split == "train" else unseen
    triples = [t for t in product(SHAPES, COLOURS, BACKGROUNDS) if wanted is None or held_out_triple(*t) == wanted]
    shape, colour, background = triples[rng.integers(len(triples))]
    textures = TRAIN_TEXTURES if split == "train" else HELD_OUT_TEXTURES
    things = [_sample_object(rng, shape, colour, frames)]
    while len(things) < objects:
        others = [c for c in COLOURS if c != colour]
        things.append(_sample_object(rng, SHAPES[rng.integers(5)], others[rng.integers(len(others))], frames))
    return Scene(
        objects=tuple(things),
        background=background,
        texture=int(textures[rng.integers(len(textures))]),
        offset=(int(rng.integers(256)), int(rng.integers(256))),
        camera=(float(rng.uniform(-1.5, 1.5)), float(rng.uniform(-1.5, 1.5))) if moving_camera else (0.0, 0.0),
        weather=weather,
        intensity=0.0 if weather == "clear" else float(rng.uniform(FAINTEST, 1.0)),
        look=look,
    )


def _sample_object(rng: np.random.Generator, shape: Shape, colour: Colour, frames: int) -> Object:
    direction = DIRECTIONS[rng.integers(len(DIRECTIONS))]
    radius = float(rng.uniform(*RADIUS))
    room = SIZE - 2 * (radius + 2)
    speed = float(min(rng.uniform(*SPEED), room / max(frames - 1, 1)))
    span = speed * (frames - 1)
    start = rng.uniform(radius + 2, SIZE - radius - 2, 2)
    axis, forward = (0, direction == "right") if direction in ("left", "right") else (1, direction == "down")
    # Along the motion the path of all frames must fit; across it any place will do.
    low = radius + 2 + (0 if forward else span)
    start[axis] = rng.uniform(low, max(low, SIZE - radius - 2 - (span if forward else 0)))
    tilt = 0.0 if shape == "person" else float(rng.uniform(-TILT, TILT))
    phase = float(rng.uniform(0, 2 * np.pi))
    return Object(shape, colour, direction, (float(start[0]), float(start[1])), speed, radius, tilt, phase)
