"""How points of a picture, and how far they move, are shown to the network that completes their flow."""

from __future__ import annotations

import torch
from torch import Tensor

from vedit.clip.sizes import Size
from vedit.flow import centres


def pixels_of(points: Tensor, size: Size, radius: float) -> Tensor:
    """Which of some points (..., K, 2), in pixels, is drawn on each pixel (..., H, W): the nearest whose disc covers
    it; -1 where none does. A disc and not one pixel, which a network that halves its picture may lose."""
    if not points.shape[-2]:
        return torch.full((*points.shape[:-2], *size), -1, device=points.device)
    pixels = centres(size, size).to(points).reshape(-1, 2)
    gaps = torch.cdist(pixels, points, compute_mode="donot_use_mm_for_euclid_dist")  # (..., H W, K)
    nearest, which = gaps.min(-1)
    return torch.where(nearest <= radius, which, -1).unflatten(-1, size)


def sparse_flow(which: Tensor, moved: Tensor) -> tuple[Tensor, Tensor]:
    """The flow that is known (B, 2, H, W), 0 elsewhere, and where it is (B, 1, H, W) bool.

    Args:
        which: (H, W) or (B, H, W), the point of each pixel, as ``pixels_of`` tells
        moved: (B, K, 2) how far each point moves, in pixels
    """
    size = which.shape[-2:]
    which = which.expand(len(moved), *size)
    known = (which >= 0)[:, None]
    if not moved.shape[1]:
        return moved.new_zeros(len(moved), 2, *size), known
    each = which.flatten(1).clamp(min=0)[..., None].expand(-1, -1, 2)  # (B, H W, 2)
    flow = moved.gather(1, each).transpose(1, 2).unflatten(2, size)
    return flow * known, known
