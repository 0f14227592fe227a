"""The judge's network: shape, colour and background of a frame, and a mask of its object."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

import world

WEIGHTS = Path(__file__).with_name("judge.safetensors")


@dataclass(frozen=True)
class Verdict:
    """What the judge saw in B frames: attribute names (B each), mask (B, 1, 32, 32) in [0, 1], centre (B, 2) (x, y)
    of the object in pixels of a 128-pixel frame."""

    shape: list[str]
    colour: list[str]
    background: list[str]
    mask: Tensor
    centre: Tensor


def _stage(before: int, after: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(),
        nn.Conv2d(after, after, 3, 1, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(),
    )  # fmt: skip


class Judge(nn.Module):
    """A small convolutional network; the attributes of the object are read through its own mask."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 5, 2, 2, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        self.quarter = _stage(16, 32, 2)
        self.eighth = _stage(32, 64, 2)
        self.sixteenth = _stage(64, 96, 2)
        self.thirty_second = _stage(96, 128, 2)
        self.up = nn.ModuleList([nn.Conv2d(128, 96, 1), nn.Conv2d(96, 64, 1), nn.Conv2d(64, 32, 1)])
        self.mask = nn.Sequential(nn.Conv2d(32, 32, 3, 1, 1), nn.ReLU(), nn.Conv2d(32, 1, 1))
        self.shape = nn.Linear(128 + 96 + 64, len(world.SHAPES))
        self.colour = nn.Linear(32 + 64, len(world.COLOURS))
        self.background = nn.Linear(32 + 64 + 96, len(world.BACKGROUNDS))

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Frames (B, 3, 128, 128) in [0, 1] to logits of shape, colour, background and mask (B, 1, 32, 32)."""
        a = self.quarter(self.stem(frames * 2 - 1))
        b = self.eighth(a)
        c = self.sixteenth(b)
        d = self.thirty_second(c)
        fine = c + self.up[0](F.interpolate(d, scale_factor=2.0))
        fine = b + self.up[1](F.interpolate(fine, scale_factor=2.0))
        fine = a + self.up[2](F.interpolate(fine, scale_factor=2.0))
        mask = self.mask(fine)
        inside = mask.sigmoid()

        def through(features: Tensor, where: Tensor) -> Tensor:
            weight = F.adaptive_avg_pool2d(where, features.shape[-2:])
            return (features * weight).sum((2, 3)) / weight.sum((2, 3)).clamp(min=1e-3)

        shape = self.shape(torch.cat([through(d, inside), through(c, inside), through(b, inside)], 1))
        colour = self.colour(torch.cat([through(a, inside), through(b, inside)], 1))
        around = 1 - inside
        background = self.background(torch.cat([through(a, around), through(b, around), through(c, around)], 1))
        return shape, colour, background, mask

    @torch.no_grad()
    def see(self, frames: Tensor) -> Verdict:
        """Judge frames (B, 3, 128, 128) in [0, 1]."""
        shape, colour, background, mask = self(frames)
        inside = mask.sigmoid()
        line = torch.arange(32, device=frames.device) * 4 + 1.5
        # Only what is surely object counts for the centre, or faint far pixels would pull it.
        sure = torch.where(inside > 0.3, inside, 0) + 1e-6
        total = sure.sum((1, 2, 3))
        centre = torch.stack([(sure[:, 0].sum(1) * line).sum(1), (sure[:, 0].sum(2) * line).sum(1)], 1) / total[:, None]
        return Verdict(
            [world.SHAPES[i] for i in shape.argmax(1).tolist()],
            [world.COLOURS[i] for i in colour.argmax(1).tolist()],
            [world.BACKGROUNDS[i] for i in background.argmax(1).tolist()],
            inside,
            centre,
        )


def load_judge() -> Judge:
    """The trained judge."""
    judge = Judge()
    judge.load_state_dict(load_file(WEIGHTS))
    return judge.eval()
