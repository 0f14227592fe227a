"""What stages have in common that end with latents which sampling has made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from vedit.backbone.model import Backbone
from vedit.clip.sizes import Size
from vedit.condition import Condition, Stretch
from vedit.flow import Flow
from vedit.graph import Stage, TensorStage
from vedit.graph.unfinished import Chapter, Unfinished, forgotten
from vedit.guiders import Guider
from vedit.prediction import Carried
from vedit.progress import Progress
from vedit.quality import check_finite
from vedit.sampling import AfterStep, InjectionSource, denoise
from vedit.schedule import Schedule
from vedit.session import Model, Session
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
        """The clean latents that ``sampling.denoise`` makes of ``x``, both (F, 4, h, w). Raises WeightsError for what
        is no number. ``only``, ``carried``, ``stretch`` and ``unfinished`` as there; ``progress`` in place of the
        session's."""
        with backbone.scaling_motion(self.motion_weights):
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
                stretch=stretch,
                unfinished=unfinished,
                progress=progress or session.progress,
            )
        with forgotten(unfinished):
            check_finite(made, self.what, backbone)
        return made.cpu()

    def room(self, frames: int, size: Size, cell: int) -> int:
        return frames * 4 * (size[0] // cell) * (size[1] // cell) * 4

    def scratch(self, frames: int, size: Size, cell: int) -> int:
        """The latents before and after a step, and what the network says of them in all branches."""
        return (2 + self.guidance.branches) * self.room(frames, size, cell)
