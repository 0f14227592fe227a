"""How points of a picture, and how far they move, are shown to the network that completes their flow."""

from __future__ import annotations

import torch
from torch import Tensor

from vedit.clip.sizes import Size
from vedit.flow import centres


def pixels_of(points: Tensor, size: Size, radius: float) -> Tensor:
    """Which of some points (K, 2), in pixels, is drawn on each pixel (H, W): the nearest whose disc covers it; -1 where
    none does. A disc and not one pixel, which a network that halves its picture may lose."""
    if not len(points):
        return torch.full(size, -1)
    gaps = torch.cdist(centres(size, size).to(points).reshape(-1, 2), points)
    nearest, which = gaps.min(1)
    return torch.where(nearest <= radius, which, -1).view(size)


def sparse_flow(which: Tensor, moved: Tensor) -> tuple[Tensor, Tensor]:
    """The flow that is known (B, 2, H, W), 0 elsewhere, and where it is (B, 1, H, W) bool.

    Args:
        which: (H, W), the point of each pixel, as ``pixels_of`` tells
        moved: (B, K, 2) how far each point moves, in pixels
    """
    known = which >= 0
    flow = moved.new_zeros(len(moved), *which.shape, 2)
    flow[:, known] = moved[:, which[known]]
    return flow.permute(0, 3, 1, 2), known.expand(len(moved), 1, *which.shape)
