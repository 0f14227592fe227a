"""Values on the cells of a coarse grid over a picture, and at its pixels."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from vedit.clip.sizes import Size

CELLS = 128
"""Most cells along the longer side of the grid on which strokes are weighed: what they tell is smooth."""


def resized(values: Tensor, size: Size) -> Tensor:
    """(B, C, H, W) at another size: the mean of what a smaller one covers, bilinear at a larger one."""
    if size[0] < values.shape[2]:
        return F.interpolate(values, size=size, mode="area")
    return F.interpolate(values, size=size, mode="bilinear", align_corners=False)
