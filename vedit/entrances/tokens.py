"""Tokens that say something beside the prompt: they join it, and guide as a branch of their own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from vedit.entrances import Entrance
from vedit.mapped import in_chunks, let_go, room_for
from vedit.prompt import Prompt, broadcast_states, concatenated, repeat_weights
from vedit.request import BranchBeside, Request, Scale

MOMENTUM_KEPT = 0.6
"""Share of semantic guidance's mean that a step keeps (Brack et al. 2023, eq. 8, beta)."""


@dataclass(frozen=True, eq=False)
class Tokens(Entrance):
    """A prompt of its own, not of words, that joins the prompt's tokens in cross-attention, and guides beside it.

    Its strength is how far it leads there, 1 as far as to the prompt.

    Source: semantic guidance, Brack et al. 2023, eq. 5 to 9; for sound TPoS, Jeong et al. 2023, section 3.3.

    Attributes:
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

    def enter(self, request: Request, strength: Tensor) -> Request:
        """As in a first step, which has no momentum yet."""
        return self.begin().enter(request, strength)

    def begin(self) -> SemanticGuidance:
        return SemanticGuidance(self)


class SemanticGuidance(Entrance):
    """Tokens over the steps of one denoising, with the momentum of their guidance."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        self._mean: Tensor | None = None

    def enter(self, request: Request, strength: Tensor) -> Request:
        own = Prompt(self.tokens.text[None].to(request.prompt.states))
        branch = BranchBeside(own, partial(self.lead, strength=strength))
        return replace(request, prompt=join_tokens(request.prompt, self.tokens), beside=(*request.beside, branch))

    def lead(self, direction: Tensor, scale: Scale, cut: slice, *, strength: Tensor) -> Tensor:
        """The guidance to add.

        Args:
            direction: (F', C, h, w) from the negative prediction to that of the tokens, of some frames
            scale: their guidance scale of the prompt
            cut: which they are
            strength: (F,) of the tokens
        """
        tokens = self.tokens
        if tokens.quantile > 0:
            large = direction.abs().flatten(2)
            least = large.quantile(tokens.quantile, dim=-1, keepdim=True)
            direction = direction * (large >= least).view_as(direction)
        weight = strength[cut].to(direction) * torch.as_tensor(scale).to(direction)
        lead = weight.view(-1, 1, 1, 1) * direction
        if tokens.momentum == 0:
            return lead
        if self._mean is None:
            self._mean = room_for((len(strength), *direction.shape[1:])).zero_()
        before = self._mean[cut].to(direction)
        lead = lead + tokens.momentum * before
        self._mean[cut] = (MOMENTUM_KEPT * before + (1 - MOMENTUM_KEPT) * lead.detach()).cpu()
        let_go(self._mean)
        return lead

    def memory(self) -> Tensor | None:
        return self._mean

    def remember(self, memory: Tensor) -> None:
        self._mean = memory.clone()


def join_tokens(prompt: Prompt, tokens: Tokens) -> Prompt:
    """Append a condition's tokens to those of the prompt, which is the last branch of all.

    What is appended is the prompt's own tokens, which alone would leave attention as it is, interpolated to the
    condition's by its share.
    """
    states, weights = prompt.states, prompt.weights
    last, other = broadcast_states(states[-1:], tokens.text[None].to(states))
    share, length = tokens.share.to(states).view(-1, 1, 1), last.shape[2]
    both = room_for((1, last.shape[1], 2 * length, last.shape[3]), last.dtype, last.device)
    for cut in in_chunks(last.shape[1], both, last, other):
        both[:, cut, :length] = last[:, cut]
        both[:, cut, length:] = torch.lerp(last[:, cut], other[:, cut], share[cut])
    rest, both = broadcast_states(states[:-1], both) if len(states) > 1 else (both[:0], both)
    if weights is not None:
        weights = repeat_weights(weights, both.shape[2])
        half, share = both.shape[2] // 2, tokens.share.to(weights)[:, None]
        weights[-1, :, half:] = torch.lerp(weights[-1, :, half:], torch.ones(()), share)
    return Prompt(concatenated(rest, both), weights)
