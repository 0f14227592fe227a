"""From what the judge says of every pixel to objects: pieces that hang together, each of one colour and one shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

import world
from benchmarks.masks import LEAST_AREA, centres
from world import Object, Scene

Array = NDArray[np.floating[Any]]

BROKEN = "broken"
"""The shape of what no person would call any of the world's."""

KINDS = (*world.SHAPES, BROKEN)

BRIDGE = 2
"""Pixels by which pieces are widened before it is asked whether they hang together: half a gap between a head and its
body."""

SECOND = 0.3
"""Least share of a piece that has to be of another colour for it to be two objects that touch."""


@dataclass(frozen=True)
class Seen:
    """An object that the judge saw in a frame."""

    colour: str
    shape: str
    """One of the world's, or ``BROKEN``."""
    mask: Array
    """(128, 128) in [0, 1]."""
    centre: tuple[float, float]
    """(x, y) in pixels."""
    area: float
    """In pixels."""


class Right(NamedTuple):
    """Whether a frame shows every object's shape, every object's colour, the ground, and no other objects."""

    shape: bool
    colour: bool
    background: bool
    count: bool


@dataclass(frozen=True)
class View:
    """What the judge saw in a frame: the ground's name and the objects, the largest first."""

    ground: str
    objects: tuple[Seen, ...]

    def matched(self, things: Sequence[Object]) -> list[Seen | None]:
        """For each of the scene's objects the one that was seen for it: the largest of its colour; where one object is
        left over and one seen, these two, whatever their colours. None where there is none."""
        if len(things) == 1:
            return [self.largest]
        found = [self.of_colour(thing.colour) for thing in things]
        spare = [seen for seen in self.objects if not any(seen is each for each in found)]
        if found.count(None) == 1 and spare:
            found[found.index(None)] = spare[0]
        return found

    def right(self, scene: Scene) -> Right:
        """Whether the frame shows what a scene is told by."""
        pairs = list(zip(self.matched(scene.objects), scene.objects, strict=True))
        return Right(
            shape=all(seen is not None and seen.shape == thing.shape for seen, thing in pairs),
            colour=all(seen is not None and seen.colour == thing.colour for seen, thing in pairs),
            background=self.ground == scene.background,
            count=len(self.objects) == len(scene.objects),
        )

    @property
    def largest(self) -> Seen | None:
        return self.objects[0] if self.objects else None

    def of_colour(self, colour: str) -> Seen | None:
        """The largest object of this colour."""
        return next((each for each in self.objects if each.colour == colour), None)


def objects(colours: Array, kinds: Array) -> tuple[Seen, ...]:
    """The objects of a frame, the largest first.

    Args:
        colours: (9, H, W) how likely each pixel is of each of the world's colours, or (last) of no object; sums to 1
        kinds: (7, H, W) the same of the kinds of shape
    """
    inside = 1 - colours[-1]
    solid = inside > 0.5
    pieces, count = ndimage.label(ndimage.binary_dilation(solid, iterations=BRIDGE), structure=np.ones((3, 3)))
    named = colours[:-1].argmax(axis=0)
    found: list[Seen] = []
    for number in range(1, count + 1):
        piece = pieces == number
        each = np.bincount(named[piece & solid], minlength=len(colours) - 1)
        several = [int(c) for c in np.flatnonzero((each >= SECOND * each.sum()) & (each >= LEAST_AREA))]
        if len(several) > 1:
            nearest = np.asarray(several)[colours[several].argmax(axis=0)]
            parts = [piece & (nearest == colour) for colour in several]
        else:
            parts = [piece]
        found.extend(seen for part in parts if (seen := _seen(part, inside, colours, kinds)) is not None)
    return tuple(sorted(found, key=lambda seen: -seen.area))


def masks_of(seen: list[Seen | None]) -> Array:
    """The masks (F, 128, 128) of one object in F frames, empty where it was not seen."""
    nothing = np.zeros((world.SIZE, world.SIZE))
    return np.stack([nothing if each is None else each.mask for each in seen])


def track_of(seen: list[Seen | None]) -> Array:
    """The centres (F, 2) of one object in F frames, NaN where it was not seen."""
    return np.array([(np.nan, np.nan) if each is None else each.centre for each in seen])


def _seen(part: NDArray[np.bool_], inside: Array, colours: Array, kinds: Array) -> Seen | None:
    mask = np.where(part, inside, 0.0)
    area = float(mask.sum())
    if area < LEAST_AREA:
        return None
    x, y = centres(mask[None])[0]
    colour, kind = (int((each[:-1] * mask).sum(axis=(1, 2)).argmax()) for each in (colours, kinds))
    return Seen(world.COLOURS[colour], KINDS[kind], mask, (float(x), float(y)), area)
