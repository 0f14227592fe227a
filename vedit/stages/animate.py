"""Sampling a clip whose things follow strokes, from one that was cut and dragged."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vedit.condition import Condition
from vedit.flow import Flow
from vedit.graph import Stage, Work
from vedit.masks.dual_clock import DualClock, latents_held, latents_whole
from vedit.motion.dense import DenseFlow
from vedit.priors import Start
from vedit.session import Session
from vedit.stages.conditions import control_work
from vedit.stages.latents import Encode
from vedit.stages.sampling import Sampling


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


@dataclass(frozen=True, kw_only=True)
class DenoiseAnimation(Sampling):
    """The latents that sampling makes of those of a crude animation.

    Attributes:
        latents: of the crude animation
        motion: what it was dragged along
    """

    latents: Encode
    motion: Stage[DenseFlow]
    hold: Hold

    def make(
        self,
        session: Session,
        start: Start,
        latents: Tensor,
        motion: DenseFlow,
        flow: Flow | None,
        conditions: tuple[tuple[Condition, ...], ...],
    ) -> Tensor:
        with session.working(self.model, self.attention, flow=flow, windows=self.windows) as backbone:
            steps = backbone.schedule(self.steps).last(self.steps_taken)
            until = held_until(motion.drawn, motion.visible, self.hold, backbone.vae_scale_factor).to(backbone.device)
            if self.hold.first:
                until[0] = 1.0
            clock = DualClock(latents.to(backbone.device), start.noise, until, steps)
            guider = self.guidance.guider(backbone)
            return self.sampled(backbone, clock.begin(), steps, guider, conditions, session, after_step=clock.hold)

    def work(self) -> tuple[Work, ...]:
        unet = Work("unet", "denoising steps", self.steps_taken, self.guidance.branches, "denoising")
        return (unet, *control_work(self.conditions, self.steps, self.steps_taken, self.guidance.branches))


def held_until(drawn: Tensor, visible: Tensor, hold: Hold, vae_scale_factor: int) -> Tensor:
    """Up to which share of the steps each latent is held (F, 1, h, w): 0 where something comes into view.

    Args:
        drawn: (F, H, W) bool, the pixels that strokes or anchors hold
        visible: (F, H, W) bool, those that are known
    """
    moves, seen = latents_held(drawn, vae_scale_factor), latents_whole(visible, vae_scale_factor)
    return torch.where(moves, hold.motion, torch.where(seen, hold.still, 0.0))
