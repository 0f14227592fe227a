"""The network that the judges of single pixels share: down four times, and up again to half of a frame's side."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

LEVELS = (16, 32, 64, 96)
"""Channels at a half, a quarter, an eighth and a sixteenth of a frame's side."""


def stage(before: int, after: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(),
        nn.Conv2d(after, after, 3, 1, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(),
    )  # fmt: skip


class Eyes(nn.Module):
    """A small U-Net (Ronneberger et al. 2015) that adds what comes up to what went down."""

    def __init__(self) -> None:
        super().__init__()
        half, quarter, eighth, sixteenth = LEVELS
        self.stem = nn.Sequential(nn.Conv2d(3, half, 5, 2, 2, bias=False), nn.BatchNorm2d(half), nn.ReLU())
        self.quarter, self.eighth = stage(half, quarter, 2), stage(quarter, eighth, 2)
        self.sixteenth = stage(eighth, sixteenth, 2)
        self.up = nn.ModuleList(
            [nn.Conv2d(sixteenth, eighth, 1), nn.Conv2d(eighth, quarter, 1), nn.Conv2d(quarter, half, 1)]
        )

    def levels(self, frames: Tensor) -> list[Tensor]:
        """Frames (B, 3, H, W) in [0, 1] as features (B, C, H / s, W / s) for s of 2, 4, 8 and 16."""
        found = [self.stem(frames * 2 - 1)]
        for below in (self.quarter, self.eighth, self.sixteenth):
            found.append(below(found[-1]))
        return found

    def fine(self, levels: list[Tensor]) -> Tensor:
        """All levels together, at the finest of them: (B, 16, H / 2, W / 2)."""
        *finer, together = levels
        for narrow, level in zip(self.up, reversed(finer), strict=True):
            together = level + narrow(F.interpolate(together, scale_factor=2.0))
        return together
