"""How several predictions become one: which branches to run, and how to combine them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Guider(Protocol):
    """Chooses the prompts of a step's branches and combines what the network says of them."""

    @property
    def text(self) -> Tensor:
        """Text embeddings of the branches, (N, T, D)."""

    def combine(self, outputs: Tensor) -> Tensor:
        """The branches' outputs (N, F, 4, h, w) to one (F, 4, h, w)."""


@dataclass(frozen=True)
class Unguided:
    """One prompt, taken at its word. ``prompt`` (1, T, D)."""

    prompt: Tensor

    @property
    def text(self) -> Tensor:
        return self.prompt

    def combine(self, outputs: Tensor) -> Tensor:
        return outputs[0]


@dataclass(frozen=True)
class ClassifierFree:
    """Classifier-free guidance (Ho & Salimans 2022): away from ``negative`` towards ``prompt``, ``scale`` times.

    Both (1, T, D). Scale 1 is the prompt alone. With the source's prompt as the negative, guidance is the difference
    that the edit asks for, and nothing else.
    """

    prompt: Tensor
    negative: Tensor
    scale: float

    @property
    def text(self) -> Tensor:
        return torch.cat(same_length(self.negative, self.prompt))

    def combine(self, outputs: Tensor) -> Tensor:
        negative, positive = outputs
        return negative + self.scale * (positive - negative)


def same_length(*texts: Tensor) -> tuple[Tensor, ...]:
    """Text embeddings (..., T, D) of prompts of different numbers of chunks, repeated to one length.

    Repeating all of a prompt's tokens leaves attention's weighted mean over them as it was.
    """
    length = math.lcm(*(text.shape[-2] for text in texts))
    return tuple(torch.cat([text] * (length // text.shape[-2]), dim=-2) for text in texts)
