"""Guiders: which guidance branches a step runs, and how their predictions are combined."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, Self

import torch
from torch import Tensor

from vedit.prompt import Prompt
from vedit.request import Scale, of_frames


class Guider(Protocol):
    """Chooses the prompts of the branches of a step, and combines their predictions into one."""

    @property
    def prompts(self) -> Prompt:
        """Those of the branches: first the one guided away from, if there is one, and last the prompt."""

    @property
    def scale(self) -> Scale:
        """The guidance scale, for all frames or for each (F,)."""

    def frames(self, cut: slice) -> Self:
        """The same for some of the frames."""

    def in_step(self, window: tuple[float, float]) -> Guider:
        """The guider of a step that begins and ends at these shares of the trajectory: itself, or one that asks the
        prompt alone."""

    def combine(self, outputs: Tensor, clean: Callable[[Tensor], Tensor], beside: Tensor | float = 0.0) -> Tensor:
        """Combine the branches' predictions (N, F, 4, h, w), the first of which is the one guided away from, to (F, 4,
        h, w).

        ``clean`` turns a prediction (F, 4, h, w) into the clean latents that it stands for; ``beside`` (F, 4, h, w) is
        further guidance to add, of conditions.
        """


@dataclass(frozen=True, eq=False)
class Unguided:
    """A single ``prompt`` without guidance."""

    prompt: Prompt

    @property
    def prompts(self) -> Prompt:
        return self.prompt

    @property
    def scale(self) -> float:
        return 1.0

    def frames(self, cut: slice) -> Unguided:
        return Unguided(self.prompt.frames(cut))

    def in_step(self, window: tuple[float, float]) -> Unguided:
        return self

    def combine(self, outputs: Tensor, clean: Callable[[Tensor], Tensor], beside: Tensor | float = 0.0) -> Tensor:
        return outputs[0] + beside


@dataclass(frozen=True, eq=False)
class ClassifierFree:
    """Classifier-free guidance (Ho & Salimans 2022): away from ``negative`` towards ``prompt``, ``scale`` times.

    Both are of one branch; ``scale`` is a number, or one for each frame (F,), and 1 is the prompt alone. With the
    source prompt as the negative one, guidance is the difference that the edit asks for, and nothing else.

    The guidance that is added to the prompt's prediction has a part parallel to the predicted clean latents of each
    frame, which makes a picture more saturated rather than more like its prompt. ``apg_eta``, 0 to 1, is the share of
    that part that is kept: 1 is guidance as it was published, 0 keeps only the orthogonal part (adaptive projected
    guidance without its momentum and threshold, Sadat et al. 2024, section 4).

    ``interval`` are the shares of the trajectory between which there is guidance, 0 (pure noise) to 1 (clean): a step
    must lie within them whole, as with conditions. Where noise is highest guidance does harm, and where it is least it
    is hardly needed (Kynkäänniemi et al. 2024).
    """

    prompt: Prompt
    negative: Prompt
    scale: Scale
    apg_eta: float = 1.0
    interval: tuple[float, float] = (0.0, 1.0)

    @property
    def prompts(self) -> Prompt:
        return Prompt.together(self.negative, self.prompt)

    def frames(self, cut: slice) -> ClassifierFree:
        return replace(
            self,
            prompt=self.prompt.frames(cut),
            negative=self.negative.frames(cut),
            scale=of_frames(self.scale, cut),
        )

    def in_step(self, window: tuple[float, float]) -> ClassifierFree | Unguided:
        return self if lies_within(window, self.interval) else self._alone

    @cached_property
    def _alone(self) -> Unguided:
        return Unguided(self.prompt)

    def combine(self, outputs: Tensor, clean: Callable[[Tensor], Tensor], beside: Tensor | float = 0.0) -> Tensor:
        negative, positive = outputs
        scale = torch.as_tensor(self.scale, device=outputs.device, dtype=outputs.dtype).view(-1, 1, 1, 1)
        lead = (scale - 1) * (positive - negative) + beside
        if self.apg_eta < 1:
            # The clean latents are linear in the output, so a direction in the one is the same in the other.
            lead = lead - (1 - self.apg_eta) * _along(lead, clean(positive))
        return positive + lead


def lies_within(window: tuple[float, float], interval: tuple[float, float]) -> bool:
    """Whether a step that begins and ends at these shares of the trajectory lies within an ``interval`` of it."""
    return interval[0] <= window[0] and window[1] <= interval[1]


def _along(x: Tensor, direction: Tensor) -> Tensor:
    """The part of each frame of ``x`` (F, 4, h, w) that lies along that frame of ``direction``."""
    unit = direction / _sum(direction.square()).sqrt().clamp(min=1e-12)
    return _sum(x * unit) * unit


def _sum(x: Tensor) -> Tensor:
    """Of each frame of (F, C, h, w): (F, 1, 1, 1). Dimension by dimension, which threads do not part otherwise for a
    single frame than for several."""
    return x.sum(3, keepdim=True).sum(2, keepdim=True).sum(1, keepdim=True)
