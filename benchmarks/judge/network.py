"""The layers that the judges of objects, joints and weather have in common."""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

WIDTHS = (16, 32, 64, 96, 128)
"""Channels at a half, a quarter, an eighth, a sixteenth and a thirty-second of the frame's size."""


def convolved(before: int, after: int, size: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, size, stride, size // 2, bias=False), nn.BatchNorm2d(after), nn.ReLU()
    )


class Descent(nn.Module):
    """Frames (B, 3, 128, 128) in [0, 1] to features at every size of ``WIDTHS``, the finest first."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList([convolved(3, WIDTHS[0], 5, 2)])
        for before, after in pairwise(WIDTHS):
            self.stages.append(nn.Sequential(convolved(before, after, stride=2), convolved(after, after)))

    def forward(self, frames: Tensor) -> list[Tensor]:
        levels = [frames * 2 - 1]
        for stage in self.stages:
            levels.append(stage(levels[-1]))
        return levels[1:]


class Ascent(nn.Module):
    """Features of ``Descent`` to one map (B, 16, 64, 64), in which every place knows of the whole frame."""

    def __init__(self) -> None:
        super().__init__()
        pairs = list(pairwise(WIDTHS[::-1]))
        self.narrow = nn.ModuleList([nn.Conv2d(coarse, fine, 1) for coarse, fine in pairs])
        self.mix = nn.ModuleList([convolved(fine, fine) for _, fine in pairs])

    def forward(self, levels: list[Tensor]) -> Tensor:
        *finer, now = levels
        for narrow, mix in zip(self.narrow, self.mix, strict=True):
            now = mix(finer.pop() + narrow(F.interpolate(now, scale_factor=2.0)))
        return now
