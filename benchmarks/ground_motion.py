"""How the ground of a clip moves, measured outside its objects.

By whole pixels first, the shift at which two frames differ least, then to fractions of a pixel by Gauss-Newton steps
(Lucas and Kanade 1981, for one translation of the whole ground).
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]

SPAN = 4
"""Frames between two that are compared. What decoders leave of a pattern of their own stands still, and holds back the
shift that is measured; less so, the farther the ground has gone."""

REACH = 12
"""Farthest shift that is found between two frames, in pixels."""

RIM = 6
"""How far around objects, in pixels, nothing is measured."""

BLUR = 1.0
"""Deviation, in pixels, of a blur of what is compared: fine detail is the least to be trusted."""

ROUNDS = 6

LEAST_FREE = 500
"""Pixels of ground below which its motion cannot be told."""


def ground_track(frames: Array, objects: Mask) -> Array:
    """How far (F, 2) the ground has gone since the first frame, in pixels (x, y); NaN from where it is hidden on.

    Args:
        frames: (F, 3, H, W) in [0, 1]
        objects: (F, H, W), where it is hidden
    """
    grey = ndimage.gaussian_filter(frames.mean(axis=1), (0, BLUR, BLUR))
    free = np.stack([~ndimage.binary_dilation(each, iterations=RIM) for each in objects])
    track = np.zeros((len(frames), 2))
    for now in range(1, len(frames)):
        before = max(0, now - SPAN)
        track[now] = track[before] + _shift(grey[before], grey[now], free[before], free[now])
    return track


def _shift(before: Array, after: Array, free_before: Mask, free_after: Mask) -> Array:
    """The shift (x, y) between two frames (H, W), where neither hides the ground."""
    rows, columns = (slice(REACH, side - REACH) for side in before.shape)
    first, here = before[rows, columns], free_before[rows, columns]

    def place(down: int, across: int) -> tuple[slice, slice]:
        return slice(rows.start + down, rows.stop + down), slice(columns.start + across, columns.stop + across)

    def difference(shift: tuple[int, int]) -> float:
        where = here & free_after[place(*shift)]
        return float(((after[place(*shift)] - first) ** 2 * where).sum() / max(where.sum(), 1))

    span = range(-REACH, REACH + 1)
    down, across = min(product(span, span), key=difference)
    where = here & free_after[place(down, across)]
    if where.sum() < LEAST_FREE:
        return np.full(2, np.nan)
    shift = np.array([across, down], dtype=float)
    slopes = np.stack([each[rows, columns][where] for each in np.gradient(before)[::-1]], axis=1)
    for _ in range(ROUNDS):
        moved = ndimage.shift(after, -shift[::-1], order=3, mode="nearest")
        off = (before - moved)[rows, columns][where]
        shift = np.clip(shift + np.linalg.lstsq(slopes, off, rcond=None)[0], -REACH, REACH)
    return shift
