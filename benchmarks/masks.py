"""Masks of an object beside each other: how far they overlap, where they are, and how their shape changes."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.floating[Any]]

LEAST_AREA = 60.0
"""Pixels of 128 x 128 below which nothing counts as an object; the world's smallest cover about 200."""


def overlap(ours: NDArray[np.bool_], exact: NDArray[np.bool_]) -> Array:
    """Intersection over union (...) of masks (..., H, W); 0 where both are empty."""
    both, either = (each.sum(axis=(-2, -1)) for each in (ours & exact, ours | exact))
    return both / np.maximum(either, 1)


def centres(masks: Array) -> Array:
    """Centroid (F, 2) as (x, y) in pixels of each mask (F, H, W) in [0, 1]; NaN where there is no object."""
    rows, columns = (np.arange(side, dtype=float) for side in masks.shape[1:])
    area = masks.sum(axis=(1, 2), dtype=float)
    area = np.where(area < LEAST_AREA, np.nan, area)
    return np.stack([masks.sum(axis=1) @ columns / area, masks.sum(axis=2) @ rows / area], axis=1)


def shape_change(masks: Array) -> Array:
    """How much the shape in masks (F, H, W) in [0, 1] changes from each frame to the next (F - 1), 0 to 1.

    The next mask is laid over the one before by their centroids, so that the object's way does not count; what is left
    is 1 - intersection over union. 1 where the object is missing in either.
    """
    places = centres(masks)
    changes = []
    for before, after in pairwise(range(len(masks))):
        back = places[before] - places[after]
        if np.isnan(back).any():
            changes.append(1.0)
            continue
        laid = ndimage.shift(masks[after], back[::-1], order=1)
        changes.append(1 - float(overlap(laid > 0.5, masks[before] > 0.5)))
    return np.asarray(changes)


def needless_change(masks: Array, exact: Array) -> float:
    """Mean change of shape from frame to frame beyond that of the ``exact`` masks (F, H, W): of a figure that walks, a
    leg that comes and goes, but not its steps. Below 0 where less changes than should."""
    return float((shape_change(masks) - shape_change(exact)).mean())
