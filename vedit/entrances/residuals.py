"""Residuals that a ControlNet adds to the UNet's features (Zhang et al. 2023)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from vedit.entrances import Entrance
from vedit.request import Control, Frames, Request, Timestep


@dataclass(frozen=True, eq=False)
class Residuals:
    """What is added to the features of a UNet, for flattened (N F) batches.

    Source: Zhang et al. 2023, eq. 2.

    Attributes:
        down: one tensor (N F, C, h, w) for each skip connection
        mid: (N F, C, h, w) for the middle block
    """

    down: tuple[Tensor, ...]
    mid: Tensor

    def __add__(self, other: Residuals) -> Residuals:
        return Residuals(tuple(a + b for a, b in zip(self.down, other.down, strict=True)), self.mid + other.mid)

    def scaled(self, weights: Tensor) -> Residuals:
        """Each of the F frames times its weight (F,), in every branch."""

        def times(x: Tensor) -> Tensor:
            frames = weights.to(x).repeat(len(x) // len(weights))
            return x * frames[:, None, None, None]

        return self.map(times)

    def to(self, device: torch.device, dtype: torch.dtype) -> Residuals:
        return self.map(lambda x: x.to(device, dtype))

    def none_for(self, rows: int) -> Residuals:
        """Residuals of the same sizes that add nothing, for a batch of so many rows."""
        return self.map(lambda x: x.new_zeros(rows, *x.shape[1:]))

    def after(self, other: Residuals) -> Residuals:
        """These, with the branches of ``other`` put before them."""
        down = tuple(torch.cat(pair) for pair in zip(other.down, self.down, strict=True))
        return Residuals(down, torch.cat([other.mid, self.mid]))

    def map(self, change: Callable[[Tensor], Tensor]) -> Residuals:
        return Residuals(tuple(map(change, self.down)), change(self.mid))


@dataclass(frozen=True, eq=False)
class AddResiduals(Entrance):
    """Adds what a control makes, in each frame times its strength.

    Attributes:
        control: makes the residuals, such as a ControlNet that was given its pictures
    """

    control: Control

    holds_for_source: ClassVar[bool] = True

    def enter(self, request: Request, strength: Tensor) -> Request:
        def scaled(latents: Tensor, timestep: Timestep, text: Tensor, frames: Frames) -> Residuals:
            return self.control(latents, timestep, text, frames).scaled(strength[frames])

        return replace(request, controls=(*request.controls, scaled))
