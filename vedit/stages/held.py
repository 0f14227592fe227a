"""Sampling that is held to a crude clip, or to some frames, each latent for its own share of the steps."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from vedit.adapters.tuned import Adapter
from vedit.condition import Condition
from vedit.flow import Flow
from vedit.graph import Stage, Work
from vedit.masks.dual_clock import DualClock
from vedit.priors import Start
from vedit.session import Session
from vedit.shots import ONE_SHOT, Shots
from vedit.stages.sampling import Sampling
from vedit.stages.tune import Tune


@dataclass(frozen=True, kw_only=True)
class DenoiseHeld(Sampling):
    """The latents that sampling makes of those of a crude clip.

    Attributes:
        latents: of the crude clip
        until: (F, 1, h, w) up to which share of the steps each latent is held to it
        shots: of the clip; None where it is one
    """

    latents: Stage[Tensor]
    until: Stage[Tensor]
    tuned: Tune | None = None
    shots: Stage[Shots] | None = None

    def make(
        self,
        session: Session,
        start: Start,
        latents: Tensor,
        until: Tensor,
        tuned: Adapter | None,
        flow: Flow | None,
        conditions: tuple[tuple[Condition, ...], ...],
        shots: Shots | None,
    ) -> Tensor:
        with session.working(
            self.model, self.attention, adapter=tuned, flow=flow, windows=self.windows, shots=shots
        ) as backbone:
            steps = self.schedule(backbone)
            device = backbone.device
            clock = DualClock(latents.to(device), start.noise.to(device), until.to(device), steps)
            guider = self.guidance.guider(backbone, shots or ONE_SHOT)
            return self.sampled(
                backbone, clock.begin(), steps, guider, conditions, session,
                after_step=clock.hold, unfinished=session.unfinished,
            )  # fmt: skip

    def work(self) -> tuple[Work, ...]:
        return (*self.unet_work(), *self.controls())
