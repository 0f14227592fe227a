"""How the ground of a clip moves, measured outside its objects.

By whole pixels first, the shift at which two frames differ least, then to fractions of a pixel by Gauss-Newton steps
(Lucas and Kanade 1981, for one translation of the whole ground).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.floating[Any]]

REACH = 4
"""Fastest ground that is found, in pixels per frame."""

RIM = 6
"""How far around objects, in pixels, nothing is measured."""

ROUNDS = 6


def ground_steps(frames: Array, objects: NDArray[np.bool_]) -> Array:
    """Motion (F - 1, 2) in pixels (x, y) of the ground from each frame to the next.

    Args:
        frames: (F, 3, H, W) in [0, 1]
        objects: (F, H, W), where it is hidden
    """
    grey = frames.mean(axis=1)
    hidden = np.stack([ndimage.binary_dilation(each, iterations=RIM) for each in objects])
    return np.stack(
        [
            _step(before, after, ~(here | there))
            for before, after, here, there in zip(grey[:-1], grey[1:], hidden[:-1], hidden[1:], strict=True)
        ]
    )


def _step(before: Array, after: Array, free: NDArray[np.bool_]) -> Array:
    inner = (slice(REACH, -REACH),) * 2
    least, step = np.inf, np.zeros(2)
    for down in range(-REACH, REACH + 1):
        for across in range(-REACH, REACH + 1):
            moved = np.roll(after, (-down, -across), (0, 1))[inner]
            off = float(((moved - before[inner]) ** 2)[free[inner]].mean())
            if off < least:
                least, step = off, np.array([across, down], dtype=float)
    rows, columns = np.gradient(before)
    slopes = np.stack([columns[inner][free[inner]], rows[inner][free[inner]]], axis=1)
    for _ in range(ROUNDS):
        moved = ndimage.shift(after, -step[::-1], order=3, mode="nearest")
        off = (before - moved)[inner][free[inner]]
        change = np.linalg.lstsq(slopes, off, rcond=None)[0]
        step = np.clip(step + change, -REACH, REACH)
    return step
