"""Up to which shares of the steps an animation is held to what was cut and dragged along strokes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vedit.graph import Stage
from vedit.masks.dual_clock import latents_held, latents_whole
from vedit.motion.dense import DenseFlow
from vedit.session import Session


@dataclass(frozen=True)
class Hold:
    """Up to which shares of the steps a crude animation is held to.

    Attributes:
        motion: what strokes move
        still: the rest of the picture that is in view
        first: whether the first frame is held throughout
    """

    motion: float
    still: float
    first: bool


@dataclass(frozen=True)
class HoldAnimation(Stage[Tensor]):
    """Up to which share of the steps each latent is held to a crude animation: (F, 1, h, w).

    Attributes:
        motion: what it was dragged along
        cell: pixels of a side for each of the latents
    """

    motion: Stage[DenseFlow]
    hold: Hold
    cell: int

    def make(self, session: Session, motion: DenseFlow) -> Tensor:
        until = held_until(motion.drawn, motion.visible, self.hold, self.cell)
        if self.hold.first:
            until[0] = 1.0
        return until


def held_until(drawn: Tensor, visible: Tensor, hold: Hold, vae_scale_factor: int) -> Tensor:
    """Up to which share of the steps each latent is held (F, 1, h, w): 0 where something comes into view.

    Args:
        drawn: (F, H, W) bool, the pixels that strokes or anchors hold
        visible: (F, H, W) bool, those that are known
    """
    moves, seen = latents_held(drawn, vae_scale_factor), latents_whole(visible, vae_scale_factor)
    return torch.where(moves, hold.motion, torch.where(seen, hold.still, 0.0))
