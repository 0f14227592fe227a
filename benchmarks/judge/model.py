"""The judge: what a frame of the world shows, found pixel by pixel, and held against what the world could have drawn.

A network says of every pixel whether it is ground or an object, and of which colour; no two objects of a scene share
one. What shape an object has is not learnt but measured: it is the one that overlaps it most (``fitting``), and none,
``BROKEN``, where not even that overlaps it as well as whole objects of that shape are overlapped by theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

import world
from benchmarks.judge.fitting import Fit, fitted
from benchmarks.judge.network import LEVELS, Eyes
from benchmarks.masks import LEAST_AREA, centres
from world.scene import Background, Colour

WEIGHTS = Path(__file__).with_name("judge.safetensors")

BROKEN = "broken"
"""The shape of what looks like nothing in the world."""

COLOURS: tuple[Colour, ...] = get_args(Colour)
GROUNDS: tuple[Background, ...] = get_args(Background)


@dataclass(frozen=True)
class Thing:
    """An object in a frame, as the judge sees it."""

    shape: str
    """One of the world's, or ``BROKEN``."""
    colour: Colour
    mask: NDArray[np.bool_]
    """(H, W)."""
    fit: Fit
    """What of the world overlaps it most."""


@dataclass(frozen=True)
class Verdict:
    """What the judge saw in F frames."""

    things: list[list[Thing]]
    """Of each frame, the largest first."""
    background: list[Background]

    @property
    def shape(self) -> list[str]:
        """Of the only object of each frame; ``BROKEN`` where there is none, or more than one."""
        return [each[0].shape if len(each) == 1 else BROKEN for each in self.things]

    @property
    def colour(self) -> list[str]:
        """Of the largest object of each frame, empty where there is none."""
        return [each[0].colour if each else "" for each in self.things]

    @property
    def masks(self) -> NDArray[np.bool_]:
        """(F, H, W): the largest object of each frame."""
        nothing = np.zeros((world.SIZE, world.SIZE), dtype=bool)
        return np.stack([each[0].mask if each else nothing for each in self.things])

    @property
    def centre(self) -> Tensor:
        """(F, 2): centroid (x, y) of the largest object of each frame in pixels; the picture's middle where there is
        none."""
        middle = ((world.SIZE - 1) / 2, (world.SIZE - 1) / 2)
        spots = [np.argwhere(each[0].mask).mean(0)[::-1] if each else np.array(middle) for each in self.things]
        return torch.from_numpy(np.stack(spots)).float()

    def of(self, colour: str) -> list[Thing | None]:
        """The object of this colour in each frame, None where it is not."""
        return [next((thing for thing in each if thing.colour == colour), None) for each in self.things]

    def masks_of(self, colour: str) -> NDArray[np.bool_]:
        """(F, H, W): the object of this colour, empty where it is not."""
        nothing = np.zeros((world.SIZE, world.SIZE), dtype=bool)
        return np.stack([nothing if thing is None else thing.mask for thing in self.of(colour)])

    def track(self, colour: str) -> NDArray[np.float64]:
        """(F, 2): centroid (x, y) in pixels of the object of this colour, NaN where it is not."""
        return centres(self.masks_of(colour).astype(float))


class Judge(Eyes):
    """A small convolutional network: what every pixel shows, and which ground there is between the objects."""

    least: Tensor
    """(5,): of each shape, the overlap below which an object is broken."""

    def __init__(self) -> None:
        super().__init__()
        half, quarter, eighth, sixteenth = LEVELS
        self.pixels = nn.Sequential(nn.Conv2d(half + 3, 16, 3, 1, 1), nn.ReLU(), nn.Conv2d(16, 1 + len(COLOURS), 1))
        self.ground = nn.Linear(quarter + eighth + sixteenth, len(GROUNDS))
        self.register_buffer("least", torch.zeros(len(world.SHAPES)))

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Frames (B, 3, H, W) in [0, 1] to logits of ground and colours (B, 9, H, W), and of the ground (B, 6)."""
        levels = self.levels(frames)
        fine = F.interpolate(self.fine(levels), scale_factor=2.0, mode="bilinear")
        pixels = self.pixels(torch.cat([fine, frames * 2 - 1], 1))
        free = pixels.detach().softmax(1)[:, :1]

        def between(features: Tensor) -> Tensor:
            weight = F.adaptive_avg_pool2d(free, features.shape[-2:])
            return (features * weight).sum((2, 3)) / weight.sum((2, 3)).clamp(min=1e-3)

        return pixels, self.ground(torch.cat([between(level) for level in levels[1:]], 1))

    @torch.no_grad()
    def features(self, frames: Tensor) -> Tensor:
        """What frames (B, 3, H, W) in [0, 1] look like on the whole: (B, 96)."""
        return self.levels(frames)[-1].mean((2, 3))

    @torch.no_grad()
    def see(self, frames: Tensor) -> Verdict:
        """Judge frames (F, 3, 128, 128) in [0, 1]."""
        things: list[list[Thing]] = []
        grounds: list[Background] = []
        for some in frames.float().split(16):
            pixels, ground = self(some)
            things += [self._things(shown) for shown in pixels.argmax(1)]
            grounds += [GROUNDS[index] for index in ground.argmax(1).tolist()]
        return Verdict(things, grounds)

    def _things(self, shown: Tensor) -> list[Thing]:
        """The objects of a frame whose pixels show (H, W) ground, 0, or a colour."""
        found = []
        areas = torch.bincount(shown.flatten(), minlength=1 + len(COLOURS))
        for index in areas[1:].argsort(descending=True).tolist():
            if areas[1 + index] < LEAST_AREA:
                break
            mask = shown == 1 + index
            fit = fitted(mask, mask | (shown == 0))
            whole = fit.overlap >= float(self.least[world.SHAPES.index(fit.thing.shape)])
            found.append(Thing(fit.thing.shape if whole else BROKEN, COLOURS[index], mask.numpy(), fit))
        return found


def load_judge() -> Judge:
    """The trained judge."""
    judge = Judge()
    judge.load_state_dict(load_file(WEIGHTS))
    return judge.eval()
