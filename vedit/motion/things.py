"""Which things move before the ground of a clip, as one of its frames shows them."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

SMALLEST = 0.002
"""Share of the picture below which what parts from the ground is no thing, but an error of the flow."""

AROUND = 6, 0.04
"""Pixels, and share of the longer side, around what is seen to move in which its thing is looked for."""

GREW = 0.4, 6.0
"""Times the area that is seen to move between which a thing is believed to be found."""

TURNS = 4
"""Of cutting."""


def find_things(picture: Tensor, apart: Tensor, edited: Tensor) -> Tensor:
    """The things (H, W) int64 of a picture (3, H, W) in [0, 1], numbered from 1; 0 is the ground.

    Flow knows little of a thing of one colour but its edges, and smears those: so each is cut out, from what is seen to
    move, by its colours and edges.

    Args:
        apart: (H, W) bool, what parts from the ground
        edited: (H, W) bool, what an edit changes: where that touches what moves, it is likely of the same thing

    Source: Rother et al. 2004 (GrabCut), in OpenCV.
    """
    side = max(picture.shape[1:])
    seeds = _clean(apart.numpy())
    if not seeds.any():
        return torch.zeros_like(apart, dtype=torch.int64)
    near = ndimage.binary_dilation(seeds, iterations=max(AROUND[0], round(AROUND[1] * side)))
    touching = _touching(edited.numpy(), seeds, near)
    near |= ndimage.binary_dilation(touching, iterations=3)
    marks = np.full(seeds.shape, cv2.GC_BGD, np.uint8)
    marks[near] = cv2.GC_PR_BGD
    marks[seeds | touching] = cv2.GC_PR_FGD
    pixels = picture.mul(255).round().byte().permute(1, 2, 0).contiguous().numpy()
    cv2.setRNGSeed(0)
    try:
        cut, *_ = cv2.grabCut(pixels, marks, None, None, None, TURNS, cv2.GC_INIT_WITH_MASK)  # type: ignore[call-overload]
    except cv2.error:  # there is too little of either to know its colours
        cut = marks
    found = np.isin(cut, (cv2.GC_FGD, cv2.GC_PR_FGD))
    found = ndimage.binary_fill_holes(ndimage.binary_opening(found, np.ones((2, 2))))
    if not GREW[0] < found.sum() / seeds.sum() < GREW[1]:
        found = seeds
    return torch.from_numpy(_numbered(found & near)).long()


def _clean(apart: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Without specks and small holes."""
    block = np.ones((3, 3), bool)
    closed = ndimage.binary_closing(ndimage.binary_opening(apart, block), block, iterations=2)
    return _numbered(closed) > 0


def _numbered(found: NDArray[np.bool_]) -> NDArray[np.int32]:
    """The connected parts of a mask, numbered from 1; small ones are left out."""
    numbers, count = ndimage.label(found)
    areas = np.bincount(numbers.ravel(), minlength=count + 1)
    large = [each for each in range(1, count + 1) if areas[each] >= SMALLEST * found.size]
    kept = np.zeros(count + 1, np.int32)
    kept[large] = np.arange(1, len(large) + 1)
    result: NDArray[np.int32] = kept[numbers]
    return result


def _touching(edited: NDArray[np.bool_], seeds: NDArray[np.bool_], near: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Those connected parts of what is edited that touch the seeds, and do not lead far away from them."""
    numbers, count = ndimage.label(edited)
    if not count:
        return np.zeros_like(edited)
    area, inside, touched = (ndimage.sum_labels(each, numbers, range(1, count + 1)) for each in (edited, near, seeds))
    kept = np.flatnonzero((touched > 0) & (area <= GREW[1] * seeds.sum()) & (inside > area / 3)) + 1
    return np.isin(numbers, kept)
