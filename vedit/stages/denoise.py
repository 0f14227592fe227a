"""Sampling: from the starting noise to clean latents."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from vedit.adapters.tuned import Adapter
from vedit.backbone.model import Backbone
from vedit.condition import Condition
from vedit.flow import Flow
from vedit.graph import Stage, Work
from vedit.masks import LatentBlend
from vedit.priors import Start
from vedit.sampling.denoising import InjectionSource
from vedit.sampling.prediction import Carried
from vedit.schedule import Schedule
from vedit.session import Session
from vedit.shots import ONE_SHOT, Shots
from vedit.stages.latents import Encode
from vedit.stages.sampling import Sampling
from vedit.stages.tune import Tune
from vedit.stages.words import Words


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


@dataclass(frozen=True, kw_only=True)
class Denoise(Sampling):
    """The latents of a new clip, or of an edit.

    Attributes:
        latents: of the clip that is edited; None where there is none
        mask: where they may change
        source: what is kept of the clip that is edited; None where there is none
        shots: of the clip; None where it is one
    """

    latents: Encode | None = None
    tuned: Tune | None = None
    mask: Stage[Tensor] | None = None
    source: Source | None = None
    shots: Stage[Shots] | None = None

    def make(
        self,
        session: Session,
        start: Start,
        latents: Tensor | None,
        tuned: Adapter | None,
        flow: Flow | None,
        conditions: tuple[tuple[Condition, ...], ...],
        mask: Tensor | None,
        shots: Shots | None,
    ) -> Tensor:
        with session.working(
            self.model, self.attention, adapter=tuned, flow=flow, windows=self.windows, shots=shots
        ) as backbone:
            return self.edited(backbone, session, start, latents, conditions, mask, shots)

    def edited(
        self,
        backbone: Backbone,
        session: Session,
        start: Start,
        latents: Tensor | None,
        conditions: tuple[tuple[Condition, ...], ...],
        mask: Tensor | None,
        shots: Shots | None,
        carried: Carried | None = None,
    ) -> Tensor:
        """What the ``backbone``, at work for this stage, makes of the inputs; ``carried`` as ``denoising.denoise``."""
        steps = self.schedule(backbone)
        x, source, keep = start.noise, None, None
        if latents is not None and self.source is not None:
            x, source, trace = self.begun(backbone, start, latents, steps)
            keep = None if mask is None else LatentBlend(mask.to(backbone.device), trace).blend
        guider = self.guidance.guider(backbone, shots or ONE_SHOT)
        return self.sampled(
            backbone, x, steps, guider, conditions, session,
            source=source, after_step=keep, carried=carried, unfinished=session.unfinished,
        )  # fmt: skip

    def begun(
        self, backbone: Backbone, start: Start, latents: Tensor, steps: Schedule
    ) -> tuple[Tensor, InjectionSource, Tensor]:
        """Where an edit of a clip's ``latents`` (F, 4, h, w) begins, what is injected into it, and the clip's trace (S
        + 1, F, 4, h, w)."""
        said = self.source
        assert said is not None, "an edit has a source"
        x, trace = start.at(steps, latents.to(backbone.device))
        return x, InjectionSource(said.prompt.embedded(backbone), trace, said.steps, guided=said.guided), trace

    def work(self) -> tuple[Work, ...]:
        return (*self.unet_work(lent=self.source.steps if self.source else 0), *self.controls())
