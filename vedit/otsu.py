"""Otsu's threshold, which parts a histogram in two."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vedit.mapped import PART, let_go


def otsu_bin(counts: NDArray[np.int64]) -> int:
    """The bin at which the upper of two classes begins, their means lying furthest apart for their sizes (Otsu 1979);
    0 where all are in one bin.
    """
    values = np.arange(len(counts))
    below, sums = np.cumsum(counts)[:-1], np.cumsum(counts * values)[:-1]
    above = counts.sum() - below
    divided = (below > 0) & (above > 0)
    if not divided.any():
        return 0
    apart = sums[divided] / below[divided] - ((counts * values).sum() - sums[divided]) / above[divided]
    between = below[divided] * above[divided] * apart**2.0
    return int(values[1:][divided][between.argmax()])


def otsu(values: Tensor, bins: int = 128) -> float:
    """The threshold that best parts ``values`` (...) in two, by their histogram (Otsu 1979, eq. 18). They are looked at
    a part at a time."""
    parts = values.flatten().split(PART // values.element_size())
    low, high = math.inf, -math.inf
    for part in parts:
        low, high = min(low, float(part.min())), max(high, float(part.max()))
        let_go(values)
    if high <= low:
        return low
    counts = torch.zeros(bins, dtype=torch.int64)
    for part in parts:
        counts += torch.histc(part.float().cpu(), bins, low, high).long()
        let_go(values)
    return low + otsu_bin(counts.numpy()) * (high - low) / bins
