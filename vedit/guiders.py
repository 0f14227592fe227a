"""Guiders: which guidance branches a step runs, and how their predictions are combined."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from vedit.condition import Condition, Tokens

MOMENTUM_KEPT = 0.6
"""Share of semantic guidance's mean that a step keeps (Brack et al. 2023, eq. 8, beta)."""


class Guider(Protocol):
    """Chooses the prompts of the branches of a step, and combines their predictions into one."""

    @property
    def text(self) -> Tensor:
        """Text embeddings of the branches: (N, T, D), or (N, F, T, D) where they vary in time."""

    @property
    def scale(self) -> float | Sequence[float]:
        """The guidance scale, for all frames or for each (F,)."""

    @property
    def emphasis(self) -> Tensor | None:
        """Weights (N, F, T) of the tokens in each frame, 1 being as they are; None where all are 1."""

    def combine(self, outputs: Tensor, clean: Callable[[Tensor], Tensor], beside: Tensor | float = 0.0) -> Tensor:
        """Combine the branches' predictions (N, F, 4, h, w), the first of which is the one guided away from, to (F, 4,
        h, w).

        ``clean`` turns a prediction (F, 4, h, w) into the clean latents that it stands for; ``beside`` (F, 4, h, w) is
        further guidance to add, of conditions.
        """


@dataclass(frozen=True)
class Unguided:
    """A single prompt without guidance: ``prompt`` (1, T, D), or (1, F, T, D) where it varies in time; ``weights`` (F,
    T) of its tokens, if any."""

    prompt: Tensor
    weights: Tensor | None = None

    @property
    def text(self) -> Tensor:
        return self.prompt

    @property
    def scale(self) -> float:
        return 1.0

    @property
    def emphasis(self) -> Tensor | None:
        return None if self.weights is None else self.weights[None]

    def combine(self, outputs: Tensor, clean: Callable[[Tensor], Tensor], beside: Tensor | float = 0.0) -> Tensor:
        return outputs[0] + beside


@dataclass(frozen=True)
class ClassifierFree:
    """Classifier-free guidance (Ho & Salimans 2022): away from ``negative`` towards ``prompt``, ``scale`` times.

    Both (1, T, D), or (1, F, T, D) where they vary in time; ``scale`` is a number, or one for each frame (F,), and 1 is
    the prompt alone. ``weights`` (F, T) are those of the prompt's tokens, if any. With the source prompt as the
    negative one, guidance is the difference that the edit asks for, and nothing else.

    The guidance that is added to the prompt's prediction has a part parallel to the predicted clean latents of each
    frame, which makes a picture more saturated rather than more like its prompt. ``apg_eta``, 0 to 1, is the share of
    that part that is kept: 1 is guidance as it was published, 0 keeps only the orthogonal part (adaptive projected
    guidance without its momentum and threshold, Sadat et al. 2024, section 4).
    """

    prompt: Tensor
    negative: Tensor
    scale: float | Sequence[float]
    apg_eta: float = 1.0
    weights: Tensor | None = None

    @property
    def text(self) -> Tensor:
        return torch.cat(broadcast_texts(self.negative, self.prompt))

    @property
    def emphasis(self) -> Tensor | None:
        if self.weights is None:
            return None
        times = self.text.shape[-2] // self.weights.shape[-1]
        weights = self.weights.repeat(1, times)
        return torch.stack([torch.ones_like(weights), weights])

    def combine(self, outputs: Tensor, clean: Callable[[Tensor], Tensor], beside: Tensor | float = 0.0) -> Tensor:
        negative, positive = outputs
        scale = torch.as_tensor(self.scale, device=outputs.device, dtype=outputs.dtype).view(-1, 1, 1, 1)
        lead = (scale - 1) * (positive - negative) + beside
        if self.apg_eta < 1:
            # The clean latents are linear in the output, so a direction in the one is the same in the other.
            lead = lead - (1 - self.apg_eta) * _along(lead, clean(positive))
        return positive + lead


def join_tokens(text: Tensor, emphasis: Tensor | None, tokens: Tokens) -> tuple[Tensor, Tensor | None]:
    """Append a condition's tokens to those of the prompt, which is the last branch.

    ``text`` (N, T, D) or (N, F, T, D) and ``emphasis`` (N, F, T) are those of all branches. What is appended is the
    prompt's own tokens, which alone would leave attention as it is, interpolated to the condition's by its share.
    """
    prompt, other = broadcast_texts(text[-1:], tokens.text[None].to(text))
    share = tokens.share.to(text)
    both = torch.cat([prompt, torch.lerp(prompt, other, share.view(-1, 1, 1))], dim=2)
    rest, both = broadcast_texts(text[:-1], both) if len(text) > 1 else (both[:0], both)
    if emphasis is not None:
        emphasis = emphasis.repeat(1, 1, both.shape[2] // emphasis.shape[2])
        half = both.shape[2] // 2
        emphasis[-1, :, half:] = torch.lerp(emphasis[-1, :, half:], torch.ones(()), tokens.share.to(emphasis)[:, None])
    return torch.cat([rest, both]), emphasis


class SemanticGuidance:
    """Guidance by one condition's tokens over the steps of one denoising, with momentum (``condition.Tokens``)."""

    def __init__(self, condition: Condition) -> None:
        assert condition.tokens is not None
        self.tokens, self._envelope = condition.tokens, condition.envelope
        self._mean: Tensor | float = 0.0

    def lead(self, direction: Tensor, scale: float | Sequence[float]) -> Tensor:
        """The guidance to add, given the ``direction`` (F, 4, h, w) from the negative prediction to that of the tokens,
        and the guidance ``scale`` of the prompt."""
        tokens = self.tokens
        if tokens.quantile > 0:
            large = direction.abs().flatten(2)
            least = large.quantile(tokens.quantile, dim=-1, keepdim=True)
            direction = direction * (large >= least).view_as(direction)
        strength = self._envelope.to(direction) * torch.as_tensor(scale).to(direction)
        lead = strength.view(-1, 1, 1, 1) * direction + tokens.momentum * self._mean
        self._mean = MOMENTUM_KEPT * self._mean + (1 - MOMENTUM_KEPT) * lead
        return lead


def _along(x: Tensor, direction: Tensor) -> Tensor:
    """The part of each frame of ``x`` (F, 4, h, w) that lies along that frame of ``direction``."""
    unit = F.normalize(direction.flatten(1), dim=1).view_as(direction)
    return (x * unit).sum((1, 2, 3), keepdim=True) * unit


def broadcast_texts(*texts: Tensor) -> tuple[Tensor, ...]:
    """Bring text embeddings (N, T, D) or (N, F, T, D) to one T and, where one of them varies in time, all to (N, F, T,
    D)."""
    frames = max((text.shape[1] for text in texts if text.ndim == 4), default=None)
    if frames is not None:
        texts = tuple(text if text.ndim == 4 else text[:, None].expand(-1, frames, -1, -1) for text in texts)
    return repeat_to_same_length(*texts)


def repeat_to_same_length(*texts: Tensor) -> tuple[Tensor, ...]:
    """Repeat text embeddings (..., T, D) of prompts of different numbers of chunks to one length.

    Repeating all tokens of a prompt leaves attention's weighted mean over them as it is.
    """
    length = math.lcm(*(text.shape[-2] for text in texts))
    return tuple(torch.cat([text] * (length // text.shape[-2]), dim=-2) for text in texts)
