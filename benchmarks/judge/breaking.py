"""Objects that a hand has broken, as models break them: what a judge must not take for whole.

A limb or a corner is missing, the outline waves, half of it is gone, or two shapes have run into each other.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

import world
from world import Object, Scene, shapes
from world.scene import Shape

Array = NDArray[np.floating[Any]]

WAYS = ("missing", "waved", "halved", "merged")

BITE = 0.45
"""Radius of what is bitten off an object's rim, as a share of the object's."""

WAVE = 0.22
"""How far the outline is off at the crests of its waves, as a share of the radius."""


def broken(scene: Scene, way: str, time: float, chance: np.random.Generator) -> tuple[Array, Array]:
    """A frame (3, H, W) of the scene at ``time``, its first object broken one of the ``WAYS``, and the masks (K, H, W).

    Raises:
        ValueError: for another way.
    """
    first = scene.objects[0]
    angle = float(chance.uniform(0, 2 * np.pi))
    others = [shape for shape in get_args(Shape) if shape != first.shape]
    other = replace(first, shape=others[chance.integers(len(others))])

    def distance(thing: Object, x: Array, y: Array, moment: float) -> Array:
        gap = shapes.distance(thing, x, y, moment)
        if thing is not first:
            return gap
        centre_x, centre_y = thing.position(moment)
        across, down = x - centre_x, y - centre_y
        if way == "missing":
            rim_x, rim_y = _rim(thing, moment, angle)
            return np.maximum(gap, BITE * thing.radius - np.hypot(x - rim_x, y - rim_y))
        if way == "waved":
            return gap + WAVE * thing.radius * np.sin(5 * np.arctan2(down, across) + angle)
        if way == "halved":
            return np.maximum(gap, across * np.cos(angle) + down * np.sin(angle))
        if way == "merged":
            shift = 0.6 * thing.radius
            moved = shapes.distance(other, x - shift * np.cos(angle), y - shift * np.sin(angle), moment)
            return np.minimum(gap, moved)
        raise ValueError(f"no way to break an object: {way!r} (ways: {', '.join(WAYS)})")

    return world.draw_frame(scene, time, 0.0, distance)


def _rim(thing: Object, moment: float, angle: float) -> tuple[float, float]:
    """The farthest point of an object in a direction: for a person, the hand or foot that is nearest to it."""
    centre_x, centre_y = thing.position(moment)
    if thing.shape == "person":
        ends = [shapes.JOINTS.index(f"{side}_{end}") for side in ("left", "right") for end in ("wrist", "ankle")]
        places = shapes.joints(thing, moment)[ends]
        return tuple(places[int(angle / (2 * np.pi) * len(places)) % len(places)])
    reach = np.arange(0, 1.2, 0.02) * thing.radius
    x, y = centre_x + reach * np.cos(angle), centre_y + reach * np.sin(angle)
    inside = shapes.distance(thing, x[None], y[None], moment)[0] < 0
    last = int(np.nonzero(inside)[0].max())
    return float(x[last]), float(y[last])
