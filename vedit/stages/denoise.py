"""Sampling: from the starting noise to clean latents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from vedit.adapters.tuned import Adapter
from vedit.clip.sizes import Size
from vedit.condition import Condition
from vedit.flow import Flow
from vedit.graph import Stage, TensorStage, Work
from vedit.masks import LatentBlend
from vedit.priors import Start
from vedit.quality import check_finite
from vedit.sampling import InjectionSource, denoise
from vedit.session import Model, Session
from vedit.stages.conditions import control_work
from vedit.stages.guidance import Guidance
from vedit.stages.latents import Encode
from vedit.stages.noise import StartingNoise
from vedit.stages.tune import Tune
from vedit.stages.words import Words
from vedit.windows import Windows


@dataclass(frozen=True)
class Source:
    """What an edit takes over from the clip that is edited.

    Attributes:
        prompt: what that shows
        steps: in how many of the first ones its features are injected
        guided: whether conditions steer it too, as they did in its inversion
    """

    prompt: Words
    steps: int
    guided: bool = False


@dataclass(frozen=True)
class Denoise(TensorStage):
    """The latents (F, 4, h, w) that sampling ends with, on the CPU.

    Attributes:
        latents: of the clip that is edited; None where there is none
        mask: where they may change
        steps: the whole schedule's, of which the last ``steps_taken`` are taken
        motion_scale: of the temporal layers, in each frame; None leaves them as they were trained
        source: what is kept of the clip that is edited; None where there is none
        what: it is, should it not come out in numbers: "edit"
        windows: in which a long clip is seen; None for all frames at once
    """

    start: StartingNoise
    latents: Encode | None
    tuned: Tune | None
    flow: Stage[Flow] | None
    conditions: tuple[Stage[tuple[Condition, ...]], ...]
    mask: Stage[Tensor] | None
    model: Model
    attention: str
    guidance: Guidance
    steps: int
    steps_taken: int
    motion_scale: tuple[float, ...] | None
    source: Source | None
    what: str
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
        latents: Tensor | None,
        tuned: Adapter | None,
        flow: Flow | None,
        conditions: tuple[tuple[Condition, ...], ...],
        mask: Tensor | None,
    ) -> Tensor:
        with session.working(self.model, self.attention, adapter=tuned, flow=flow, windows=self.windows) as backbone:
            steps = backbone.schedule(self.steps).last(self.steps_taken)
            x, source, keep = start.noise, None, None
            if latents is not None and self.source is not None:
                x, trace = start.at(steps, latents.to(backbone.device))
                said = self.source
                source = InjectionSource(said.prompt.embedded(backbone), trace, said.steps, guided=said.guided)
                keep = None if mask is None else LatentBlend(mask.to(backbone.device), trace).blend
            scale = None if self.motion_scale is None else torch.tensor(self.motion_scale)
            with backbone.scaling_motion(scale):
                made = denoise(
                    backbone,
                    x,
                    steps,
                    self.guidance.guider(backbone),
                    conditions=[each for some in conditions for each in some],
                    source=source,
                    after_step=keep,
                    progress=session.progress,
                )
            check_finite(made, self.what, backbone)
            return made.cpu()

    def room(self, frames: int, size: Size, cell: int) -> int:
        return frames * 4 * (size[0] // cell) * (size[1] // cell) * 4

    def work(self) -> tuple[Work, ...]:
        return (*self._unet(), *control_work(self.conditions, self.steps, self.steps_taken, self.guidance.branches))

    def _unet(self) -> Iterator[Work]:
        lent, ours = self.source.steps if self.source else 0, self.guidance.branches
        if lent:
            yield Work("unet", "denoising steps with the source", lent, ours + 1, "denoising")
        if self.steps_taken > lent:
            yield Work("unet", "denoising steps", self.steps_taken - lent, ours, "denoising")
