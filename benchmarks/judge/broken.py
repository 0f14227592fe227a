"""Shapes that are wrong: what no person would call a star, or a walking figure, any more.

Each way to break a shape makes another distance to its outline, which ``world.draw_frame`` draws in the world's light.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

import world
from benchmarks.masks import overlap
from world import Object, shapes
from world.render import Distance
from world.scene import Shape

Array = NDArray[np.floating[Any]]
Break = Callable[[Object, np.random.Generator], Distance]

VISIBLE = 0.13
"""Least 1 - IoU of a broken shape and the whole one: what changes less is neither right nor wrong."""

LEFT = 0.3
"""Least area that is left, as a share of the whole one's."""

LIMBS: dict[str, tuple[str, ...]] = {
    "right arm": ("right_elbow", "right_wrist"),
    "left arm": ("left_elbow", "left_wrist"),
    "right leg": ("right_knee", "right_ankle"),
    "left leg": ("left_knee", "left_ankle"),
}
"""The joints that a figure loses with each limb; it can lose its ``HEAD`` too."""

HEAD = "head"


def broken(thing: Object, seed: int, time: float) -> tuple[str, Distance]:
    """A way in which ``thing``, as it is at ``time``, is visibly broken: its name, and the distance that draws it."""
    rng = np.random.default_rng([53, seed])
    side = np.arange(-int(1.6 * thing.radius), int(1.6 * thing.radius) + 1)
    centre = thing.position(time)
    x, y = (axis.astype(np.float32) for axis in np.meshgrid(centre[0] + side, centre[1] + side))
    whole = shapes.distance(thing, x, y, time) < 0
    ways = list(BREAKS[thing.shape].items())
    while True:
        name, way = ways[rng.integers(len(ways))]
        distance = way(thing, rng)
        left = distance(thing, x, y, time) < 0
        if overlap(left, whole) <= 1 - VISIBLE and left.sum() >= LEFT * whole.sum():
            return name, distance


def figure_without(missing: Collection[str]) -> Distance:
    """The distance to a figure that lacks some of its ``LIMBS`` or its ``HEAD``."""
    gone = {joint for limb in missing if limb != HEAD for joint in LIMBS[limb]}
    bones = [bone for bone in shapes.BONES if bone[1] not in gone]

    def distance(thing: Object, x: Array, y: Array, time: float) -> Array:
        points = _named_joints(thing, time)
        if HEAD not in missing:
            points[HEAD] = np.asarray(shapes.head_centre(thing, time))
        return _figure(thing, x, y, points, bones)

    return distance


def _figure(thing: Object, x: Array, y: Array, points: dict[str, Array], bones: list[tuple[str, str, float]]) -> Array:
    """Distance to chosen bones, and to the head if ``points`` has one."""
    gaps = [
        shapes.segment(x, y, *points[start], *points[end])[0] - np.float32(thickness * thing.radius)
        for start, end, thickness in bones
    ]
    if HEAD in points:
        gaps.append(np.hypot(x - points[HEAD][0], y - points[HEAD][1]) - np.float32(shapes.HEAD * thing.radius))
    return np.minimum.reduce(gaps).astype(np.float32)


def _named_joints(thing: Object, time: float) -> dict[str, Array]:
    return dict(zip(shapes.JOINTS, shapes.joints(thing, time), strict=True))


def _limbless(*choices: tuple[str, ...]) -> Break:
    def way(thing: Object, rng: np.random.Generator) -> Distance:
        return figure_without(choices[rng.integers(len(choices))])

    return way


def _head_off(thing: Object, rng: np.random.Generator) -> Distance:
    """The head sits beside the body."""
    aside, down = rng.choice([-1, 1]) * rng.uniform(0.45, 0.8), rng.uniform(0.1, 0.7)

    def distance(thing: Object, x: Array, y: Array, time: float) -> Array:
        points = _named_joints(thing, time)
        points[HEAD] = np.asarray(shapes.head_centre(thing, time)) + thing.radius * np.array([aside, down])
        return _figure(thing, x, y, points, list(shapes.BONES))

    return distance


def _scattered(thing: Object, rng: np.random.Generator) -> Distance:
    """Limbs and head no longer hang together as they should."""
    shifts = rng.uniform(-0.4, 0.4, (len(shapes.BONES) + 1, 2))

    def distance(thing: Object, x: Array, y: Array, time: float) -> Array:
        points = _named_joints(thing, time)
        gaps = []
        for bone, shift in zip(shapes.BONES, thing.radius * shifts[1:], strict=True):
            gaps.append(_figure(thing, x - np.float32(shift[0]), y - np.float32(shift[1]), points, [bone]))
        points[HEAD] = np.asarray(shapes.head_centre(thing, time)) + thing.radius * shifts[0]
        return np.minimum.reduce([*gaps, _figure(thing, x, y, points, [shapes.BONES[0]])])

    return distance


def _melted(thing: Object, rng: np.random.Generator) -> Distance:
    """Points and limbs melt into a blob of the same area."""
    softness = rng.uniform(0.22, 0.4) * thing.radius

    def distance(thing: Object, x: Array, y: Array, time: float) -> Array:
        gap = shapes.distance(thing, x, y, time)
        soft = ndimage.gaussian_filter(gap, softness, mode="nearest")
        return soft - np.quantile(soft, (gap < 0).mean())

    return distance


def _cut(*angles: float, at: tuple[float, float]) -> Break:
    """A straight cut takes one side away.

    Args:
        angles: the sides that can go, in radians clockwise from the right, turned with the thing; any when empty
        at: where the cut may lie, as shares of the radius from the centre
    """

    def way(thing: Object, rng: np.random.Generator) -> Distance:
        side = angles[rng.integers(len(angles))] + rng.uniform(-0.2, 0.2) if angles else rng.uniform(0, 2 * np.pi)
        across, down = np.cos(side + thing.tilt), np.sin(side + thing.tilt)
        reach = rng.uniform(*at) * thing.radius

        def distance(thing: Object, x: Array, y: Array, time: float) -> Array:
            centre_x, centre_y = thing.position(time)
            beyond = (x - centre_x) * across + (y - centre_y) * down - reach
            return np.maximum(shapes.distance(thing, x, y, time), beyond.astype(np.float32))

        return distance

    return way


def _bitten(thing: Object, rng: np.random.Generator) -> Distance:
    """A round bite out of the outline."""
    angle, size = rng.uniform(0, 2 * np.pi), rng.uniform(0.4, 0.65) * thing.radius
    place = rng.uniform(0.5, 0.85) * thing.radius * np.array([np.cos(angle), np.sin(angle)])

    def distance(thing: Object, x: Array, y: Array, time: float) -> Array:
        bite_x, bite_y = np.asarray(thing.position(time)) + place
        outside = size - np.hypot(x - bite_x, y - bite_y)
        return np.maximum(shapes.distance(thing, x, y, time), outside.astype(np.float32))

    return distance


def _pointless(thing: Object, rng: np.random.Generator) -> Distance:
    """A star without some of its points."""
    corners = shapes.star_corners(1.08 * thing.radius)
    corners[2 * rng.choice(5, size=rng.integers(1, 4), replace=False)] *= rng.uniform(0.3, 0.5)
    return _polygon(corners)


def _uneven(count: int) -> Break:
    """Corners out of place."""

    def way(thing: Object, rng: np.random.Generator) -> Distance:
        if count == 10:
            corners = shapes.star_corners(1.08 * thing.radius)
        else:
            corners = shapes.corners_of(count, thing.radius, np.pi / 4)
        return _polygon(corners + rng.normal(0, 0.2 * thing.radius, corners.shape).clip(-6, 6))

    return way


def _polygon(corners: NDArray[np.float64]) -> Distance:
    def distance(thing: Object, x: Array, y: Array, time: float) -> Array:
        return shapes.polygon(*_turned(thing, x, y, time), corners)

    return distance


def _turned(thing: Object, x: Array, y: Array, time: float) -> tuple[Array, Array]:
    """Coordinates with the thing in the middle, upright."""
    centre_x, centre_y = thing.position(time)
    cos, sin = np.float32(np.cos(thing.tilt)), np.float32(np.sin(thing.tilt))
    dx, dy = x - np.float32(centre_x), y - np.float32(centre_y)
    return cos * dx + sin * dy, cos * dy - sin * dx


def _bent(thing: Object, rng: np.random.Generator) -> Distance:
    """Straight lines become waves."""
    size, length = rng.uniform(0.12, 0.22, 2) * thing.radius, rng.uniform(0.7, 1.6, 2) * thing.radius
    begin = rng.uniform(0, 2 * np.pi, 2)

    def distance(thing: Object, x: Array, y: Array, time: float) -> Array:
        centre_x, centre_y = thing.position(time)
        wave_x = size[0] * np.sin(2 * np.pi * (y - centre_y) / length[0] + begin[0])
        wave_y = size[1] * np.sin(2 * np.pi * (x - centre_x) / length[1] + begin[1])
        return shapes.distance(thing, (x + wave_x).astype(np.float32), (y + wave_y).astype(np.float32), time)

    return distance


def _rippled(thing: Object, rng: np.random.Generator) -> Distance:
    """The outline swells and shrinks around the centre."""
    count, size, begin = rng.integers(3, 8), rng.uniform(0.1, 0.2) * thing.radius, rng.uniform(0, 2 * np.pi)

    def distance(thing: Object, x: Array, y: Array, time: float) -> Array:
        centre_x, centre_y = thing.position(time)
        wave = size * np.sin(count * np.arctan2(y - centre_y, x - centre_x) + begin)
        return shapes.distance(thing, x, y, time) + wave.astype(np.float32)

    return distance


def _stretched(thing: Object, rng: np.random.Generator) -> Distance:
    """Longer than wide."""
    long, wide = rng.uniform(1.15, 1.35), rng.uniform(0.6, 0.75)
    upright = rng.random() < 0.5

    def distance(thing: Object, x: Array, y: Array, time: float) -> Array:
        u, v = _turned(thing, x, y, time)
        u, v = (u / np.float32(wide), v / np.float32(long)) if upright else (u / np.float32(long), v / np.float32(wide))
        middle = replace(thing, path="still", start=(0.0, 0.0), tilt=0.0)
        return shapes.distance(middle, u, v, time) * np.float32(wide)

    return distance


def _fused(thing: Object, rng: np.random.Generator) -> Distance:
    """Another shape has grown into this one."""
    angle = rng.uniform(0, 2 * np.pi)
    shift = rng.uniform(0.45, 0.75) * thing.radius * np.array([np.cos(angle), np.sin(angle)])
    shape = world.SHAPES[rng.integers(5)]
    radius, soft = rng.uniform(0.55, 0.85) * thing.radius, rng.uniform(0.02, 0.1) * thing.radius

    def distance(thing: Object, x: Array, y: Array, time: float) -> Array:
        centre_x, centre_y = np.asarray(thing.position(time)) + shift
        other = replace(thing, shape=shape, path="still", start=(centre_x, centre_y), radius=radius)
        gaps = shapes.distance(thing, x, y, time), shapes.distance(other, x, y, time)
        return (-soft * np.logaddexp(-gaps[0] / soft, -gaps[1] / soft)).astype(np.float32)

    return distance


def _between(thing: Object, rng: np.random.Generator) -> Distance:
    """Half one shape and half another."""
    shape = rng.choice([each for each in world.SHAPES if each != thing.shape])
    share = np.float32(rng.uniform(0.35, 0.65))

    def distance(thing: Object, x: Array, y: Array, time: float) -> Array:
        other = shapes.distance(replace(thing, shape=shape), x, y, time)
        return (1 - share) * shapes.distance(thing, x, y, time) + share * other

    return distance


_RIGHT, _DOWN, _LEFT, _UP = (quarter * np.pi / 2 for quarter in range(4))
_TIPS = tuple(-np.pi / 2 + third * 2 * np.pi / 3 for third in range(3))

BREAKS: dict[Shape, dict[str, Break]] = {
    "person": {
        "headless": _limbless((HEAD,)),
        "armless": _limbless(("left arm", "right arm"), ("left arm",), ("right arm",)),
        "legless": _limbless(("left leg", "right leg"), ("left leg",), ("right leg",)),
        "head off": _head_off,
        "scattered": _scattered,
        "melted": _melted,
        "cut": _cut(_DOWN, _UP, at=(-0.3, 0.3)),
        "fused": _fused,
    },
    "star": {
        "pointless": _pointless,
        "melted": _melted,
        "uneven": _uneven(10),
        "cut": _cut(at=(-0.25, 0.3)),
        "bent": _bent,
        "fused": _fused,
        "between": _between,
    },
    "square": {
        "bitten": _bitten,
        "cut": _cut(_RIGHT, _DOWN, _LEFT, _UP, at=(-0.2, 0.3)),
        "uneven": _uneven(4),
        "stretched": _stretched,
        "bent": _bent,
        "rippled": _rippled,
        "fused": _fused,
        "between": _between,
    },
    "triangle": {
        "bitten": _bitten,
        "cut": _cut(*_TIPS, at=(0.0, 0.4)),
        "bent": _bent,
        "rippled": _rippled,
        "fused": _fused,
        "between": _between,
    },
    "circle": {
        "bitten": _bitten,
        "cut": _cut(at=(-0.2, 0.35)),
        "stretched": _stretched,
        "bent": _bent,
        "rippled": _rippled,
        "fused": _fused,
        "between": _between,
    },
}
"""By shape, the ways in which it can be broken without becoming another right shape."""
