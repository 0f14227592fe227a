"""What the judges learn from: frames of all attribute triples, one object or two, right shapes and broken ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

import world
from benchmarks.judge.broken import broken
from benchmarks.judge.reading import BROKEN, KINDS
from world import Object, Scene, shapes
from world.scene import Split

Array = NDArray[np.floating[Any]]

WEATHER = 1 / 3
"""Share of the scenes in rain or snow."""

TWO, PANS, PLAIN = 0.4, 0.3, 0.3
"""Shares of the scenes with two objects, under a camera that pans, and of ``sample_scene``."""

BARE = 0.04
"""Share of the frames without any object."""

DAMAGED = 0.4
"""Share of the objects that are broken."""

CELL = 2
"""Pixels of a cell of the judge's maps."""


@dataclass(frozen=True)
class Shown:
    """A frame, and what is to be said of it. K objects, 0 to 2."""

    frame: Array
    """(3, 128, 128) in [0, 1]."""
    masks: Array
    """(K, 128, 128) in [0, 1]."""
    colours: tuple[str, ...]
    kinds: tuple[str, ...]
    """The shape, or ``BROKEN``."""
    breaks: tuple[str, ...]
    """The shape and how it is broken, such as "star: melted"; the shape alone where it is whole."""
    ground: str


def any_scene(seed: int, split: Split = "train") -> tuple[Scene, int]:
    """A scene of any attribute triple, held out or not (the judge must know them all), and a frame's number in it."""
    rng = np.random.default_rng([31, seed])
    weather: world.Weather = "clear" if rng.random() >= WEATHER else ("rain", "snow")[rng.integers(2)]
    count = 2 if rng.random() < TWO else 1
    if count == 1 and rng.random() < PLAIN:
        scene, time = world.sample_scene(seed, split, weather=weather), int(rng.integers(8))
    else:
        pans = bool(rng.random() < PANS)
        scene = world.sample_clip(seed, split, objects=count, pans=pans, weather=weather)
        time = int(rng.integers(16))
    others = {thing.colour for thing in scene.objects[1:]}
    colours = [colour for colour in world.COLOURS if colour not in others]
    scene = scene.changed(
        shape=world.SHAPES[rng.integers(5)], colour=colours[rng.integers(len(colours))],
        background=world.BACKGROUNDS[rng.integers(6)],
    )  # fmt: skip
    return scene, time


def shown(seed: int, split: Split = "train") -> Shown:
    """A frame of ``any_scene``; some of its objects are broken, and now and then there is none."""
    scene, time = any_scene(seed, split)
    rng = np.random.default_rng([37, seed])
    things = () if rng.random() < BARE else scene.objects
    ways = {thing: broken(thing, seed, time) for thing in things if rng.random() < DAMAGED}

    def distance(thing: Object, x: Array, y: Array, moment: float) -> Array:
        return (ways[thing][1] if thing in ways else shapes.distance)(thing, x, y, moment)

    scene = replace(scene, objects=things)
    frame, masks = world.draw_frame(scene, time, scene.intensity, distance)
    return Shown(
        np.clip(frame, 0, 1).astype(np.float32),
        masks,
        tuple(thing.colour for thing in things),
        tuple(BROKEN if thing in ways else thing.shape for thing in things),
        tuple(f"{thing.shape}: {ways[thing][0]}" if thing in ways else thing.shape for thing in things),
        scene.background,
    )


def batch(every: Iterable[Shown]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Frames (B, 3, 128, 128), and what is to be found in them: how much of each cell is of each colour (B, 9, 64, 64)
    and of each kind (B, 7, 64, 64), the last of both being no object, and the ground's number (B,)."""
    frames, colours, kinds, grounds = [], [], [], []
    for each in every:
        frames.append(torch.from_numpy(each.frame))
        masks = F.avg_pool2d(torch.from_numpy(each.masks)[:, None].float(), CELL)[:, 0]
        colour = torch.zeros(len(world.COLOURS) + 1, *masks.shape[1:])
        kind = torch.zeros(len(KINDS) + 1, *masks.shape[1:])
        for mask, named, formed in zip(masks, each.colours, each.kinds, strict=True):
            colour[world.COLOURS.index(named)] += mask
            kind[KINDS.index(formed)] += mask
        free = (1 - masks.sum(0)).clamp(min=0)
        colour[-1], kind[-1] = free, free
        colours.append(colour)
        kinds.append(kind)
        grounds.append(world.BACKGROUNDS.index(each.ground))
    return torch.stack(frames), torch.stack(colours), torch.stack(kinds), torch.tensor(grounds)
