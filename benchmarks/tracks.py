"""Where an object goes: its jumps, its speed, and whether it goes where the words say.

A track (F, 2) is the object's centre (x, y) in pixels in each frame, NaN where it was not seen. All figures are of
128-pixel frames of 16-frame clips.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from world import SIZE, Object
from world.clips import ORBIT
from world.paths import ACROSS, UNIT, Direction, Path

Array = NDArray[np.floating[Any]]

SEEN = 0.75
"""Least share of the frames in which an object must be seen to have a track."""

MOVED = 4.0
"""Least way, in pixels, of what moves; the slowest things of the world go 10 px in 16 frames."""

LEG = 2.5
"""Least way, in pixels, on either side of a turn."""

ASIDE = float(np.tan(np.radians(30)))
"""Most way across the direction that is told, as a share of the way along it."""

BACK = 3.0
"""Most way back, in pixels, of what goes one way."""

DRIFT = 1.5
"""Most way from its first place, in pixels, of what stands still."""

LEAVING = 12.0
"""Distance of the centre from the picture's edge, in pixels, from which on a thing is leaving it: those of the least
radius are then cut by it."""

WIDEST = 1.5 * ORBIT[1]
"""Radius of the widest circle that counts as one, in pixels."""

UNEVEN = float(np.radians(12)), 0.1
"""How far headings may be from an even turning (root mean square), in radians and as a share of all that is turned."""

PANNED = 0.5
"""Least speed of a ground under a camera that pans, in pixels per frame."""

AROUND = 2
"""Frames on each side over which a velocity is measured."""


def largest_jump(track: Array, exact: Array) -> float:
    """The largest difference, in pixels, between a step of ``track`` and the same step of the ``exact`` one (F, 2).

    Steps are those between neighbouring frames in which the object is seen. NaN where it is seen in none.
    """
    off = (track - exact)[~np.isnan(track).any(axis=1)]
    return float(np.linalg.norm(np.diff(off, axis=0), axis=1).max()) if len(off) > 1 else float("nan")


def mean_distance(track: Array, exact: Array) -> float:
    """Mean distance in pixels from the ``exact`` track (F, 2), over the frames in which the object is seen.

    NaN where it is seen in none."""
    off = (track - exact)[~np.isnan(track).any(axis=1)]
    return float(np.linalg.norm(off, axis=1).mean()) if len(off) else float("nan")


def filled(track: Array) -> Array | None:
    """The track with its gaps bridged; None where too little of it was seen."""
    seen = ~np.isnan(track).any(axis=1)
    if seen.mean() < SEEN:
        return None
    times = np.arange(len(track))
    return np.stack([np.interp(times, times[seen], axis[seen]) for axis in track.T], axis=1)


def velocities(track: Array) -> Array:
    """Velocity (F - 2 AROUND, 2) in pixels per frame at all frames but the first and last: slopes of straight lines
    through the frames around each."""
    times = np.arange(-AROUND, AROUND + 1)
    windows = np.lib.stride_tricks.sliding_window_view(track, len(times), axis=0)
    return windows @ times / (times**2).sum()


def speed(track: Array) -> float:
    """Median speed in pixels per frame; NaN where the object has no track."""
    whole = filled(track)
    return float("nan") if whole is None else float(np.median(np.linalg.norm(velocities(whole), axis=1)))


def longest_leap(track: Array) -> float:
    """How much longer the longest step is than the median one, in pixels: things of the world keep their pace.

    NaN where the object has no track."""
    whole = filled(track)
    if whole is None:
        return float("nan")
    steps = np.linalg.norm(np.diff(whole, axis=0), axis=1)
    return float(steps.max() - np.median(steps))


def drift(track: Array) -> float:
    """Largest distance in pixels from the first place; NaN where the object has no track."""
    whole = filled(track)
    return float("nan") if whole is None else float(np.linalg.norm(whole - whole[0], axis=1).max())


def goes_as_told(thing: Object, track: Array) -> bool:
    """Whether an object on this track does what its words say: its direction or directions, and no more.

    How fast it goes is not looked at, nor are the places of a turn or a circle, of which the words say nothing. What
    bounces must keep to its axis and stay in the picture.
    """
    whole = filled(track)
    return whole is not None and bool(_VERDICTS[thing.path](thing, whole))


def pans_as_told(ground: Array, pan: Direction) -> bool:
    """Whether a ground on this track (F, 2) is seen by a camera that pans: it goes the other way."""
    return _goes(ground[0] - ground[-1], pan, PANNED * (len(ground) - 1))


def _goes(way: Array, direction: Direction, least: float) -> bool:
    """Whether a way (2,) leads at least ``least`` pixels in a direction, and hardly aside."""
    along = float(way @ np.asarray(UNIT[direction]))
    aside = float(np.sqrt(max(way @ way - along**2, 0.0)))
    return along >= least and aside <= ASIDE * along


def _straight(thing: Object, track: Array) -> bool:
    along = track @ np.asarray(UNIT[thing.direction])
    back = float((np.maximum.accumulate(along) - along).max())
    return _goes(track[-1] - track[0], thing.direction, MOVED) and back <= BACK


def _still(thing: Object, track: Array) -> bool:
    return drift(track) <= DRIFT


def _bouncing(thing: Object, track: Array) -> bool:
    across, down = np.ptp(track, axis=0)
    along, aside = (across, down) if thing.direction in ACROSS else (down, across)
    stays = bool(((track >= LEAVING) & (track <= SIZE - 1 - LEAVING)).all())
    return bool(along >= MOVED and aside <= ASIDE * along) and stays


def _turning(thing: Object, track: Array) -> bool:
    if thing.then is None:
        raise ValueError("a path that turns needs the direction after the turn")
    first, last = track[0], track[-1]
    return any(
        _goes(corner - first, thing.direction, LEG) and _goes(last - corner, thing.then, LEG) for corner in track[1:-1]
    )


def _circling(thing: Object, track: Array) -> bool:
    steps = velocities(track)
    way = float(np.linalg.norm(steps[1:], axis=1).sum())
    headings = np.unwrap(np.arctan2(steps[:, 1], steps[:, 0]))
    times = np.arange(len(headings))
    slope, start = np.polyfit(times, headings, 1)
    turned = abs(slope) * times[-1]
    uneven = float(np.sqrt(np.mean((headings - start - slope * times) ** 2)))
    return way >= MOVED and turned >= way / WIDEST and uneven <= max(UNEVEN[0], UNEVEN[1] * turned)


_VERDICTS: dict[Path, Callable[[Object, Array], bool]] = {
    "straight": _straight,
    "still": _still,
    "bouncing": _bouncing,
    "turning": _turning,
    "circling": _circling,
}
