"""Which tokens each frame's self-attention looks at.

A kind gathers, for every frame, the keys (and values) that its queries see. It holds no weights, so it fits every
Stable Diffusion UNet and its ControlNets. With one frame every kind is plain self-attention.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from vedit.clip.sizes import Size
from vedit.flow import Flow
from vedit.part import Family, Part


class AttentionKind(Part, ABC):
    """Chooses the keys of spatial self-attention, and may attend once more to what comes out of it."""

    @abstractmethod
    def gather(self, tokens: Tensor) -> Tensor:
        """(N, F, T, C), the keys or values of every frame, to (N, F, S, C), those that each frame attends to."""

    def after(self, tokens: Tensor, heads: int) -> Tensor:
        """What a second attention makes of the first one's result, both (N, F, T, C), before the output projection."""
        return tokens

    def following(self, flow: Flow, cells: Size) -> AttentionKind:
        """This kind for a clip whose ``flow`` is known, and whose latents have the size ``cells`` (h, w). Called for a
        kind that ``needs`` "flow"."""
        return self


ATTENTION = Family[AttentionKind]("attention")


class PerFrame(AttentionKind):
    """Each frame sees itself alone: Stable Diffusion as it is."""

    def gather(self, tokens: Tensor) -> Tensor:
        return tokens


class SparseCausal(AttentionKind):
    """Frame i sees frames 0 and i - 1; frame 0 sees itself. Tune-A-Video (Wu et al. 2023, eq. 3)."""

    def gather(self, tokens: Tensor) -> Tensor:
        if tokens.shape[1] == 1:
            return tokens  # the same tokens twice have the softmax of one copy
        first = tokens[:, :1].expand_as(tokens)
        previous = torch.cat([tokens[:, :1], tokens[:, :-1]], dim=1)
        return torch.cat([first, previous], dim=2)


class FirstFrame(AttentionKind):
    """Every frame sees frame 0. Text2Video-Zero (Khachatryan et al. 2023, eq. 8)."""

    def gather(self, tokens: Tensor) -> Tensor:
        return tokens[:, :1].expand_as(tokens)


class Full(AttentionKind):
    """Every frame sees all frames. ControlVideo (Zhang et al. 2023, eq. 4); memory grows with the frames' square
    only in plain arithmetic."""

    def gather(self, tokens: Tensor) -> Tensor:
        branches, frames, length, width = tokens.shape
        together = tokens.reshape(branches, 1, frames * length, width)
        return together.expand(-1, frames, -1, -1)
