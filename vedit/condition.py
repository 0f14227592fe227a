"""Condition: what a conditioner makes of a clip, and how it enters the denoising loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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

        return self.map(times)

    def to(self, device: torch.device, dtype: torch.dtype) -> Residuals:
        return self.map(lambda x: x.to(device, dtype))

    def behind(self, frames: int) -> Residuals:
        """These, with an uncontrolled branch of so many frames put before them."""
        return self.after(self.map(lambda x: x.new_zeros(frames, *x.shape[1:])))

    def after(self, other: Residuals) -> Residuals:
        """These, with the branches of ``other`` put before them."""
        down = tuple(torch.cat(pair) for pair in zip(other.down, self.down, strict=True))
        return Residuals(down, torch.cat([other.mid, self.mid]))

    def map(self, change: Callable[[Tensor], Tensor]) -> Residuals:
        return Residuals(tuple(map(change, self.down)), change(self.mid))


class Control(Protocol):
    """A function from latents and text to residuals."""

    def __call__(self, x: Tensor, t: int, text: Tensor) -> Residuals:
        """For latents ``x`` (F, 4, h, w), the same in all branches, at timestep ``t`` with ``text`` (N, T, D)."""


@dataclass(frozen=True)
class Tokens:
    """A prompt of its own, not of words, that joins the prompt's tokens in cross-attention, and guides beside it.

    Semantic guidance: Brack et al. 2023, eq. 5 to 9; for sound TPoS, Jeong et al. 2023, section 3.3.

    text: (F, T, D), in the text encoder's space
    share: (F,) how far it joins the prompt, 0 (the prompt is left as it is) to 1 (as many tokens as the prompt's)
    quantile: the share, 0 to below 1, of the elements of each channel in which its guidance is not heeded, where it
        says least
    momentum: what is added of the mean of its guidance in the steps before, 0 (none) to 1
    """

    text: Tensor
    share: Tensor
    quantile: float = 0.0
    momentum: float = 0.0


@dataclass(frozen=True)
class Condition:
    """One source of guidance beside the prompt.

    residuals: what it adds to the UNet's features, if anything
    tokens: a prompt of its own, if it has one; ``envelope`` is how far it leads there, 1 as far as to the prompt
    envelope: (F,) its strength in each frame
    start, stop: the window in which it acts, as shares 0 (pure noise) to 1 (clean) of the whole trajectory
    """

    envelope: Tensor
    residuals: Control | None = None
    tokens: Tokens | None = None
    start: float = 0.0
    stop: float = 1.0

    def active(self, window: tuple[float, float]) -> bool:
        """Whether it acts in a step that begins and ends at these shares: all of the step must lie in the window."""
        return window[0] >= self.start and window[1] <= self.stop


def residuals(conditions: Sequence[Condition], x: Tensor, t: int, text: Tensor) -> Residuals | None:
    """The sum of what conditions add to the UNet, for latents ``x`` (F, 4, h, w) at timestep ``t`` with ``text``
    (N, T, D). None where none adds anything."""
    added = [each.residuals(x, t, text).scaled(each.envelope) for each in conditions if each.residuals is not None]
    return reduce(Residuals.__add__, added) if added else None
