"""A clip whose every pixel is known: a red square that goes to the right over a ground that stays."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.motion.making import SIZE
from vedit.flow import Flow

FRAMES, STEP = 4, 6
"""Pixels that the square goes in a frame."""

TOP, LEFT, SIDE = 16, 8, 16
RED, GREEN = torch.tensor([0.9, 0.1, 0.1]), torch.tensor([0.1, 0.8, 0.2])


def ground(seed: int = 0) -> Tensor:
    """(3, H, W), grey, with a smooth texture."""
    rough = torch.rand(1, 3, 12, 16, generator=torch.Generator().manual_seed(seed))
    return 0.35 + 0.3 * F.interpolate(rough, SIZE, mode="bicubic", align_corners=False)[0].clamp(0, 1)


def place(index: int) -> tuple[slice, slice]:
    """The rows and columns of the square in a frame."""
    return slice(TOP, TOP + SIDE), slice(LEFT + STEP * index, LEFT + STEP * index + SIDE)


def put(picture: Tensor, rows: slice, columns: slice, colour: Tensor) -> Tensor:
    """A picture (3, H, W) with a box of one colour."""
    changed = picture.clone()
    changed[:, rows, columns] = colour[:, None, None]
    return changed


def square_clip(behind: Tensor | None = None) -> Tensor:
    """(F, 3, H, W)."""
    behind = ground() if behind is None else behind
    return torch.stack([put(behind, *place(index), RED) for index in range(FRAMES)])


def square_flow() -> Flow:
    """The exact flow of the clip; no pixel is told to be hidden."""
    forward, backward = torch.zeros(FRAMES - 1, 2, *SIZE), torch.zeros(FRAMES - 1, 2, *SIZE)
    for index in range(FRAMES - 1):
        forward[index, 0, *place(index)] = STEP
        backward[index, 0, *place(index + 1)] = -STEP
    return Flow.both_ways(forward, backward)
