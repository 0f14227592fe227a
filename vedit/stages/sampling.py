"""What stages have in common that end with latents which sampling has made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from vedit.backbone.deep_features import Turns
from vedit.backbone.model import Backbone
from vedit.clip.sizes import Size
from vedit.condition import Condition, Stretch
from vedit.flow import Flow
from vedit.graph import Stage, TensorStage, Work
from vedit.graph.unfinished import Chapter, Unfinished, forgotten
from vedit.progress import Progress
from vedit.quality import check_finite
from vedit.sampling.denoising import AfterStep, InjectionSource, denoise, keyed
from vedit.sampling.guiders import Guider
from vedit.sampling.prediction import Carried
from vedit.sampling.solvers import solver_of
from vedit.schedule import Sampler, Schedule
from vedit.session import Model, Session
from vedit.stages.conditions import control_work
from vedit.stages.guidance import Guidance
from vedit.stages.noise import StartingNoise
from vedit.windows import Windows


@dataclass(frozen=True, kw_only=True)
class Sampling(TensorStage):
    """The latents (F, 4, h, w) that sampling ends with, on the CPU.

    Attributes:
        flow: of the clip, for an attention kind that follows it; None where none does
        steps: the whole schedule's, of which the last ``steps_taken`` are taken
        motion_scale: of the temporal layers, in each frame; None leaves them as they were trained
        windows: in which a long clip is seen; None for all frames at once
        loop: whether its last frame is followed by its first
        strided: whether a clip that is too long for motion modules is seen by them with a stride in some first steps
        sampler: takes the steps
        deep_cache: in each so manieth step the network runs whole
        what: it is, should it not come out in numbers: "edit"
    """

    start: StartingNoise
    flow: Stage[Flow] | None
    conditions: tuple[Stage[tuple[Condition, ...]], ...]
    model: Model
    attention: str
    guidance: Guidance
    steps: int
    steps_taken: int
    motion_scale: tuple[float, ...] | None
    windows: Windows | None
    what: str
    loop: bool = False
    strided: bool = False
    sampler: Sampler = "ddim"
    deep_cache: int = 1

    title: ClassVar[str] = "denoising"
    resumes: ClassVar[bool] = True

    @property
    def kept(self) -> bool:  # type: ignore[override]
        """Not of a model that was given: whoever holds it may have changed it."""
        return self.model.spec is not None

    @property
    def motion_weights(self) -> Tensor | None:
        """The weight of the temporal layers in each frame (F,); None as they were trained."""
        return None if self.motion_scale is None else torch.tensor(self.motion_scale)

    def schedule(self, backbone: Backbone) -> Schedule:
        """The steps that are taken."""
        return backbone.schedule(self.steps, self.sampler).last(self.steps_taken)

    def sampled(
        self,
        backbone: Backbone,
        x: Tensor,
        schedule: Schedule,
        guider: Guider,
        conditions: Iterable[tuple[Condition, ...]],
        session: Session,
        *,
        source: InjectionSource | None = None,
        after_step: AfterStep | None = None,
        only: Sequence[Sequence[int]] | None = None,
        carried: Carried | None = None,
        stretch: Stretch | None = None,
        unfinished: Unfinished | Chapter | None = None,
        progress: Progress | None = None,
    ) -> Tensor:
        """The clean latents that ``denoising.denoise`` makes of ``x``, both (F, 4, h, w). Raises WeightsError for what
        is no number. ``only``, ``carried``, ``stretch`` and ``unfinished`` as there; ``progress`` in place of the
        session's."""
        solver = solver_of(
            backbone.scheduler_config, schedule, partial(keyed, self.start.seed), shared=self.start.prior == "shared"
        )
        with backbone.scaling_motion(self.motion_weights), backbone.guided_by(self.guidance.embedded_scale):
            made = denoise(
                backbone,
                x,
                schedule,
                guider,
                conditions=[each for some in conditions for each in some],
                source=source,
                after_step=after_step,
                only=only,
                carried=carried,
                loop=self.loop,
                strided=self.strided,
                stretch=stretch,
                solver=solver,
                deep_cache=self.deep_cache,
                unfinished=unfinished,
                progress=progress or session.progress,
            )
        with forgotten(unfinished):
            check_finite(made, self.what, backbone)
        return made.cpu()

    def unet_work(
        self, what: str = "denoising steps", progress: str = "denoising", *, lent: int = 0, again: int = 1
    ) -> Iterator[Work]:
        """The UNet's passes of the steps that are taken, each so often ``again``; in the first ``lent`` of them the
        source runs beside the branches."""
        turns, counted = Turns(self.deep_cache), Counter[tuple[bool, int, bool]]()
        for index in range(self.steps - self.steps_taken, self.steps):
            ours = self.guidance.branches_in((index / self.steps, (index + 1) / self.steps))
            with_source = index < self.steps - self.steps_taken + lent
            counted[with_source, ours, turns.whole((with_source, ours))] += again
        for (with_source, ours, whole), times in counted.items():
            told = [what + (" with the source" if with_source else "")]
            told += ["without guidance"] if ours < self.guidance.branches else []
            told += [] if whole else ["deep features kept"]
            yield Work("unet" if whole else "outermost", ", ".join(told), times, ours + with_source, progress)

    def controls(self, why: str = "", again: int = 1) -> Iterator[Work]:
        """The runs of ControlNets beside the steps that are taken."""
        branches, every = self.guidance.branches, self.deep_cache
        return control_work(self.conditions, self.steps, self.steps_taken, branches, why, again, every)

    def room(self, frames: int, size: Size, cell: int) -> int:
        return frames * 4 * (size[0] // cell) * (size[1] // cell) * 4

    def scratch(self, frames: int, size: Size, cell: int) -> int:
        """The latents before and after a step, and what the network says of them in all branches."""
        return (2 + self.guidance.branches) * self.room(frames, size, cell)
