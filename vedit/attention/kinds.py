"""Which tokens each frame's self-attention looks at.

A kind gathers, for every frame, the keys (and values) that its queries see. It holds no weights, so it fits every
Stable Diffusion UNet and its ControlNets. With one frame every kind is plain self-attention.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from vedit.clip.sizes import Size
from vedit.flow import Flow
from vedit.part import Family, Part


class AttentionKind(Part, ABC):
    """Chooses the keys of spatial self-attention, and may attend once more to what comes out of it."""

    anchored: ClassVar[bool] = False
    """Whether frames look at the clip's first one, wherever in the clip they are."""

    @abstractmethod
    def gather(self, tokens: Tensor, first: Tensor | None = None) -> Tensor:
        """The keys or values that each frame attends to.

        Args:
            tokens: (N, F, T, C), the keys or values of every frame
            first: (N, 1, T, C), those of the clip's first frame, for a kind that is ``anchored``, where the frames are
                a later window of a long clip; None where the first of ``tokens`` is the clip's

        Returns:
            (N, F, S, C)
        """

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

    def gather(self, tokens: Tensor, first: Tensor | None = None) -> Tensor:
        return tokens


class SparseCausal(AttentionKind):
    """Frame i sees frames 0 and i - 1; frame 0 sees itself. Tune-A-Video (Wu et al. 2023, eq. 3).

    The first frame of a later window sees frame 0 and itself; it is there for the next one alone.
    """

    anchored: ClassVar[bool] = True

    def gather(self, tokens: Tensor, first: Tensor | None = None) -> Tensor:
        if tokens.shape[1] == 1 and first is None:
            return tokens  # the same tokens twice have the softmax of one copy
        first = (tokens[:, :1] if first is None else first).expand_as(tokens)
        previous = torch.cat([tokens[:, :1], tokens[:, :-1]], dim=1)
        return torch.cat([first, previous], dim=2)


class FirstFrame(AttentionKind):
    """Every frame sees frame 0. Text2Video-Zero (Khachatryan et al. 2023, eq. 8)."""

    anchored: ClassVar[bool] = True

    def gather(self, tokens: Tensor, first: Tensor | None = None) -> Tensor:
        return (tokens[:, :1] if first is None else first).expand_as(tokens)


class Ends(AttentionKind):
    """Every frame sees the first, the last and itself: what lies between two key frames looks at both. In a window of
    a long clip these are the window's."""

    def gather(self, tokens: Tensor, first: Tensor | None = None) -> Tensor:
        if tokens.shape[1] == 1:
            return tokens
        begin, end = (each.expand_as(tokens) for each in (tokens[:, :1], tokens[:, -1:]))
        return torch.cat([begin, tokens, end], dim=2)


class Full(AttentionKind):
    """Every frame sees all frames. ControlVideo (Zhang et al. 2023, eq. 4); memory grows with the frames' square
    only in plain arithmetic. In a window of a long clip all are those of the window, and frame 0."""

    anchored: ClassVar[bool] = True

    def gather(self, tokens: Tensor, first: Tensor | None = None) -> Tensor:
        seen = tokens if first is None else torch.cat([first, tokens], dim=1)
        branches, frames, length, width = seen.shape
        together = seen.reshape(branches, 1, frames * length, width)
        return together.expand(-1, tokens.shape[1], -1, -1)
