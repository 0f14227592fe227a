"""Condition: what a conditioner makes of a clip, and how it enters the denoising loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True)
class Residuals:
    """What a ControlNet adds to a UNet (Zhang et al. 2023, eq. 2), for flattened (N F) batches.

    down: one tensor (N F, C, h, w) for each skip connection; mid: (N F, C, h, w) for the middle block.
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

        return Residuals(tuple(times(each) for each in self.down), times(self.mid))

    def behind(self, branches: int) -> Residuals:
        """With so many batches of silence, F frames each, in front: branches that are not controlled."""

        def pad(x: Tensor, frames: int) -> Tensor:
            return torch.cat([x.new_zeros(frames, *x.shape[1:]), x])

        return Residuals(tuple(pad(each, branches) for each in self.down), pad(self.mid, branches))


class Control(Protocol):
    """Latents and words in, residuals out."""

    def __call__(self, x: Tensor, t: int, text: Tensor) -> Residuals:
        """For latents ``x`` (F, 4, h, w), the same in all branches, at timestep ``t`` with ``text`` (N, T, D)."""


@dataclass(frozen=True)
class Condition:
    """One source of guidance beside the prompt.

    residuals: what it adds to the UNet's features, if anything
    envelope: (F,) its strength in each frame
    start, stop: the window of the sampling, as shares 0 to 1 of its steps, in which it acts
    key: names what it depends on, so that an inversion made under it can be cached
    """

    envelope: Tensor
    residuals: Control | None = None
    start: float = 0.0
    stop: float = 1.0
    key: str = ""

    def active(self, index: int, steps: int) -> bool:
        """Whether it acts in the step of this index: the whole step must lie in the window, as in diffusers."""
        return index / steps >= self.start and (index + 1) / steps <= self.stop


def residuals(
    conditions: Sequence[Condition], x: Tensor, t: int, text: Tensor, index: int, steps: int
) -> Residuals | None:
    """The sum of what the conditions that are active in this step add; None where none does."""
    acting = [each for each in conditions if each.residuals is not None and each.active(index, steps)]
    if not acting:
        return None
    return reduce(Residuals.__add__, (each.residuals(x, t, text).scaled(each.envelope) for each in acting))  # type: ignore[misc]
