"""Prompts as the text encoder has read them, and several of them brought to one shape."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from vedit.mapped import in_chunks, room_for


@dataclass(frozen=True, eq=False)
class Prompt:
    """What the text encoder says of N prompts, one for each branch of guidance.

    Attributes:
        states: (N, T, D), or (N, F, T, D) where they vary in time
        weights: how much each token counts in each frame (N, F, T), 1 being as it is; None where all count alike
    """

    states: Tensor
    weights: Tensor | None = None

    def __len__(self) -> int:
        """How many branches there are."""
        return len(self.states)

    def __iter__(self) -> Iterator[Prompt]:
        """The prompt of each branch alone."""
        return (self.branches(index, index + 1) for index in range(len(self)))

    def branches(self, first: int, last: int | None = None) -> Prompt:
        """Those of some branches."""
        return Prompt(self.states[first:last], None if self.weights is None else self.weights[first:last])

    def frames(self, cut: slice | list[int] | Tensor) -> Prompt:
        """What is said of some frames."""
        states = self.states[:, cut] if self.states.ndim == 4 else self.states
        return Prompt(states, None if self.weights is None else self.weights[:, cut])

    def to(self, device: torch.device) -> Prompt:
        return Prompt(self.states.to(device), self.weights)

    @classmethod
    def together(cls, *prompts: Prompt) -> Prompt:
        """All branches of several, at one T, and over the frames where any of them varies in time. On the device and in
        the dtype of the last."""
        last = prompts[-1].states
        states = concatenated(*broadcast_states(*(each.states.to(last) for each in prompts)))
        if all(each.weights is None for each in prompts):
            return cls(states)
        length = states.shape[-2]
        frames = next(each.weights.shape[1] for each in prompts if each.weights is not None)
        counted = [
            torch.ones(len(each), frames, length) if each.weights is None else repeat_weights(each.weights, length)
            for each in prompts
        ]
        given = next(each.weights for each in prompts if each.weights is not None)
        return cls(states, torch.cat([each.to(given) for each in counted]))


def concatenated(*states: Tensor) -> Tensor:
    """The branches of several (N, T, D), or (N, F, T, D), one after the other; large ones in a file."""
    if states[0].ndim == 3:
        return torch.cat(states)
    joined = room_for((sum(map(len, states)), *states[0].shape[1:]), states[0].dtype, states[0].device)
    for cut in in_chunks(joined.shape[1], joined, *states):
        joined[:, cut] = torch.cat([each[:, cut] for each in states])
    return joined


def broadcast_states(*states: Tensor) -> tuple[Tensor, ...]:
    """Bring states (N, T, D) or (N, F, T, D) to one T and, where one of them varies in time, all to (N, F, T, D)."""
    frames = max((each.shape[1] for each in states if each.ndim == 4), default=None)
    states = repeat_to_same_length(*states)
    if frames is None:
        return states
    return tuple(each if each.ndim == 4 else each[:, None].expand(-1, frames, -1, -1) for each in states)


def repeat_to_same_length(*states: Tensor) -> tuple[Tensor, ...]:
    """Repeat states (..., T, D) of prompts of different numbers of chunks to one length.

    Repeating all tokens of a prompt leaves attention's weighted mean over them as it is.
    """
    length = math.lcm(*(each.shape[-2] for each in states))
    return tuple(
        each if each.shape[-2] == length else torch.cat([each] * (length // each.shape[-2]), dim=-2) for each in states
    )


def repeat_weights(weights: Tensor, length: int) -> Tensor:
    """The weights (..., T) of a prompt's tokens, for the prompt repeated to a ``length`` that is a multiple of T."""
    return weights.repeat(*[1] * (weights.ndim - 1), length // weights.shape[-1])
