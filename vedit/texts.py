"""Text embeddings of several prompts, brought to one shape."""

from __future__ import annotations

import math

import torch
from torch import Tensor


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


def repeat_weights(weights: Tensor, length: int) -> Tensor:
    """The weights (..., T) of a text's tokens, for the text repeated to a ``length`` that is a multiple of T."""
    return weights.repeat(*[1] * (weights.ndim - 1), length // weights.shape[-1])
