"""Sampling a clip whose things follow strokes, from one that was cut and dragged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from vedit.clip.sizes import Size
from vedit.condition import Condition
from vedit.flow import Flow
from vedit.graph import Stage, TensorStage, Work
from vedit.masks.dual_clock import DualClock, latents_held, latents_whole
from vedit.motion.dense import DenseFlow
from vedit.priors import Start
from vedit.quality import check_finite
from vedit.sampling import denoise
from vedit.session import Model, Session
from vedit.stages.conditions import control_work
from vedit.stages.guidance import Guidance
from vedit.stages.latents import Encode
from vedit.stages.noise import StartingNoise
from vedit.windows import Windows


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
class DenoiseAnimation(TensorStage):
    """The latents (F, 4, h, w), on the CPU, that sampling makes of those of a crude animation.

    Attributes:
        latents: of the crude animation
        motion: what it was dragged along
        flow: of the same, for an attention kind that follows it; None where none does
        steps: the whole schedule's, of which the last ``steps_taken`` are taken
        motion_scale: of the temporal layers, in each frame; None leaves them as they were trained
        windows: in which a long clip is seen; None for all frames at once
    """

    start: StartingNoise
    latents: Encode
    motion: Stage[DenseFlow]
    flow: Stage[Flow] | None
    conditions: tuple[Stage[tuple[Condition, ...]], ...]
    model: Model
    attention: str
    guidance: Guidance
    steps: int
    steps_taken: int
    motion_scale: tuple[float, ...] | None
    hold: Hold
    windows: Windows | None = None

    title: ClassVar[str] = "denoising"

    @property
    def kept(self) -> bool:  # type: ignore[override]
        """Not of a model that was given: whoever holds it may have changed it."""
        return self.model.spec is not None

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
            until = held_until(motion, self.hold, backbone.vae_scale_factor).to(backbone.device)
            clock = DualClock(latents.to(backbone.device), start.noise, until, steps)
            scale = None if self.motion_scale is None else torch.tensor(self.motion_scale)
            with backbone.scaling_motion(scale):
                made = denoise(
                    backbone,
                    clock.begin(),
                    steps,
                    self.guidance.guider(backbone),
                    conditions=[each for some in conditions for each in some],
                    after_step=clock.hold,
                    progress=session.progress,
                )
            check_finite(made, "animation", backbone)
            return made.cpu()

    def room(self, frames: int, size: Size, cell: int) -> int:
        return frames * 4 * (size[0] // cell) * (size[1] // cell) * 4

    def work(self) -> tuple[Work, ...]:
        unet = Work("unet", "denoising steps", self.steps_taken, self.guidance.branches, "denoising")
        return (unet, *control_work(self.conditions, self.steps, self.steps_taken, self.guidance.branches))


def held_until(motion: DenseFlow, hold: Hold, vae_scale_factor: int) -> Tensor:
    """Up to which share of the steps each latent is held (F, 1, h, w): 0 where something comes into view."""
    moves, seen = latents_held(motion.drawn, vae_scale_factor), latents_whole(motion.visible, vae_scale_factor)
    until = torch.where(moves, hold.motion, torch.where(seen, hold.still, 0.0))
    if hold.first:
        until[0] = 1.0
    return until
