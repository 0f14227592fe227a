"""How a thing of the world moves: where it is at any moment, which way it then faces, and the words for it.

A path is one of a few kinds, all known exactly at every time: straight, standing still, bouncing between two sides of
the stage, turning once, and circling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

if TYPE_CHECKING:
    from world.scene import Object

Direction = Literal["left", "right", "up", "down"]
Path = Literal["straight", "still", "bouncing", "turning", "circling"]
Pace = Literal["slowly", "plain", "fast"]

DIRECTIONS: tuple[Direction, ...] = get_args(Direction)
PATHS: tuple[Path, ...] = get_args(Path)
PACES: tuple[Pace, ...] = get_args(Pace)

UNIT: dict[Direction, tuple[float, float]] = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
"""Direction of motion as (x, y); y points down, as in an image."""

OPPOSITE: dict[Direction, Direction] = {"left": "right", "right": "left", "up": "down", "down": "up"}

ACROSS: tuple[Direction, ...] = ("left", "right")
"""The directions along x."""


def position(thing: Object, time: float) -> tuple[float, float]:
    """Centre (x, y) of ``thing`` in pixels at ``time`` in frames."""
    x, y = thing.start
    dx, dy = UNIT[thing.direction]
    way = thing.speed * time
    if thing.path == "still":
        return x, y
    if thing.path == "bouncing":
        if dx:
            return _reflected(x, dx * way, *thing.walls), y
        return x, _reflected(y, dy * way, *thing.walls)
    if thing.path == "turning" and time > thing.turn:
        before, after = thing.speed * thing.turn, thing.speed * (time - thing.turn)
        then_x, then_y = UNIT[_then(thing)]
        return x + dx * before + then_x * after, y + dy * before + then_y * after
    if thing.path == "circling":
        angle = thing.angle + way / thing.orbit
        reach = abs(thing.orbit)
        return x + float(reach * np.cos(angle)), y + float(reach * np.sin(angle))
    return x + dx * way, y + dy * way


def heading(thing: Object, time: float) -> Direction:
    """The direction that ``thing`` faces at ``time``."""
    if thing.path == "turning" and time > thing.turn:
        return _then(thing)
    if thing.path == "bouncing":
        axis = 0 if thing.direction in ACROSS else 1
        ahead = position(thing, time + 0.01)[axis] - position(thing, time)[axis]
        return thing.direction if ahead * UNIT[thing.direction][axis] >= 0 else OPPOSITE[thing.direction]
    if thing.path == "circling":
        # Whoever walks in a circle is seen from the side, turned the way that it goes across the picture.
        return "right" if position(thing, time + 0.01)[0] >= position(thing, time)[0] else "left"
    return thing.direction


def walked(thing: Object, time: float) -> float:
    """How far ``thing`` has gone by ``time``, in pixels."""
    return 0.0 if thing.path == "still" else time * thing.speed


def words(thing: Object) -> str:
    """What ``thing`` does, such as "moving slowly left", "bouncing up and down" or "standing still"."""
    if thing.path == "still":
        return "standing still"
    pace = "" if thing.pace == "plain" else f" {thing.pace}"
    if thing.path == "circling":
        return f"circling{pace}"
    if thing.path == "bouncing":
        return f"bouncing{pace} {'left and right' if thing.direction in ACROSS else 'up and down'}"
    then = f" then {_then(thing)}" if thing.path == "turning" else ""
    return f"moving{pace} {thing.direction}{then}"


def _then(thing: Object) -> Direction:
    if thing.then is None:
        raise ValueError("a path that turns needs the direction after the turn")
    return thing.then


def _reflected(start: float, way: float, low: float, high: float) -> float:
    """Where something is that went ``way`` from ``start`` between two walls which throw it back."""
    width = high - low
    along = (start - low + way) % (2 * width)
    return low + (along if along <= width else 2 * width - along)
