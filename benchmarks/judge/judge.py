"""The judge's network: colour and shape of every place of a frame, and the ground."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

import world
from benchmarks.judge.network import WIDTHS, Ascent, Descent, convolved
from benchmarks.judge.reading import KINDS, View, objects

WEIGHTS = Path(__file__).with_name("judge.safetensors")

GROUND_LEVELS = (1, 2, 3)
"""Which of the network's sizes the ground is read from: at the coarsest, objects are everywhere."""


class Judge(nn.Module):
    """A small U-Net (Ronneberger et al. 2015); the ground is read from where no object is."""

    def __init__(self) -> None:
        super().__init__()
        self.descent, self.ascent = Descent(), Ascent()
        self.read = convolved(WIDTHS[0], 32)
        self.colour = nn.Conv2d(32, len(world.COLOURS) + 1, 1)
        self.kind = nn.Conv2d(32, len(KINDS) + 1, 1)
        self.ground = nn.Linear(sum(WIDTHS[level] for level in GROUND_LEVELS), len(world.BACKGROUNDS))

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Frames (B, 3, 128, 128) in [0, 1] to logits of colour (B, 9, 64, 64) and kind of shape (B, 7, 64, 64), the
        last of each "no object", and of the ground (B, 6)."""
        levels = self.descent(frames)
        fine = self.read(self.ascent(levels))
        colour = self.colour(fine)
        free = colour.softmax(1)[:, -1:]
        around = []
        for level in GROUND_LEVELS:
            weight = F.adaptive_avg_pool2d(free, levels[level].shape[-2:])
            around.append((levels[level] * weight).sum((2, 3)) / weight.sum((2, 3)).clamp(min=1e-3))
        return colour, self.kind(fine), self.ground(torch.cat(around, 1))

    @torch.no_grad()
    def see(self, frames: Tensor) -> list[View]:
        """What each of the frames (F, 3, 128, 128) in [0, 1] shows."""
        *maps, grounds = self(frames)
        colours, kinds = (
            F.interpolate(each.softmax(1), (world.SIZE, world.SIZE), mode="bilinear").cpu().double().numpy()
            for each in maps
        )
        names = [world.BACKGROUNDS[index] for index in grounds.argmax(1).tolist()]
        return [View(name, objects(colour, kind)) for name, colour, kind in zip(names, colours, kinds, strict=True)]

    @torch.no_grad()
    def features(self, frames: Tensor) -> Tensor:
        """What the network makes of whole frames (F, 96), for comparing them."""
        return self.descent(frames)[3].mean((2, 3))


def load_judge() -> Judge:
    """The trained judge."""
    judge = Judge()
    judge.load_state_dict(load_file(WEIGHTS))
    return judge.eval()
