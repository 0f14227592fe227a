"""Sampling frame after frame from a queue."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from torch import Tensor

from vedit.condition import Condition
from vedit.flow import Flow
from vedit.graph import Work
from vedit.graph.unfinished import forgotten
from vedit.priors import Start
from vedit.quality import check_finite
from vedit.sampling.fifo import denoise_queue, passes
from vedit.session import Session
from vedit.stages.conditions import control_work
from vedit.stages.sampling import Sampling


@dataclass(frozen=True, kw_only=True)
class DenoiseQueue(Sampling):
    """The latents (F, 4, h, w) of a new clip, on the CPU, of which the network sees a few frames ``at_once``.

    Attributes:
        frames: F
        at_once: where motion modules have positions for so many
    """

    frames: int
    at_once: int

    def make(
        self, session: Session, start: Start, flow: Flow | None, conditions: tuple[tuple[Condition, ...], ...]
    ) -> Tensor:
        with session.working(self.model, self.attention, flow=flow) as backbone:
            guider = self.guidance.guider(backbone)
            with backbone.scaling_motion(self.motion_weights), backbone.guided_by(self.guidance.embedded_scale):
                made = denoise_queue(
                    backbone,
                    start.noise,
                    backbone.schedule(self.steps),
                    guider,
                    at_once=backbone.seen_at_once(self.at_once) or self.at_once,
                    conditions=[each for some in conditions for each in some],
                    unfinished=session.unfinished,
                    progress=session.progress,
                )
            with forgotten(session.unfinished):
                check_finite(made, self.what, backbone)
            return made

    def work(self) -> tuple[Work, ...]:
        times = ceil(passes(self.frames, self.steps, self.at_once) / self.frames)
        branches = self.guidance.branches
        controls = control_work(self.conditions, self.steps, self.steps, branches, again=ceil(times / self.steps))
        return (Work("unet", "denoising steps", times, branches, "denoising"), *controls)
