"""What steers beside the prompt: control pictures of the clip, and the conditions that are made of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from vedit.annotators import ANNOTATORS, FromFlow
from vedit.clip import Clip
from vedit.clip.sizes import Size
from vedit.condition import Condition
from vedit.conditioners import CONDITIONERS
from vedit.conditioners.control import Control, DrawnControl
from vedit.config import ControlSettings
from vedit.flow import Flow
from vedit.graph import Stage, Work
from vedit.graph.files import File
from vedit.masks.prompt_difference import PromptDifference
from vedit.motion.dense import DenseFlow
from vedit.motion.learnt.next_frame import KIND, load_motion_control, motion_condition, motion_pictures
from vedit.session import Model, Session
from vedit.stages.difference import ComparePrompts
from vedit.stages.flow import EstimateFlow
from vedit.stages.packing import narrow, wide
from vedit.timeline import Moments


@dataclass(frozen=True)
class ControlPictures(Stage[Tensor]):
    """What an annotator draws of a clip, or what was drawn before and lies in a file: (F, 3, H, W) in [0, 1].

    Attributes:
        flow: the clip's, for an annotator that draws what it does of it
    """

    clip: Stage[Clip]
    flow: EstimateFlow | None
    kind: str
    options: Mapping[str, Any]
    file: File | None = None

    title: ClassVar[str] = "control"
    kept: ClassVar[bool] = True

    @classmethod
    def of(cls, settings: ControlSettings, clip: Stage[Clip]) -> ControlPictures:
        """Those that a control asks for. Raises PartError and ConfigError, as making its annotator does."""
        kind, options = settings.kind, settings.options
        if settings.file is not None:
            return cls(clip, None, kind, options, File.of(settings.file))
        annotator = ANNOTATORS.make(kind, options)
        flow = EstimateFlow(clip, annotator.options.method) if isinstance(annotator, FromFlow) else None
        return cls(clip, flow, kind, options)

    def make(self, session: Session, clip: Clip, flow: Flow | None) -> Tensor:
        annotator = ANNOTATORS.make(self.kind, self.options)
        if self.file is not None:
            return annotator.read(self.file.path, clip).frames
        if isinstance(annotator, FromFlow) and flow is not None:
            return annotator.draw(flow).frames
        return annotator.annotate(clip).frames

    def room(self, frames: int, size: Size, cell: int) -> int:
        return frames * 3 * size[0] * size[1] * 4

    def scratch(self, frames: int, size: Size, cell: int) -> int:
        return frames * 3 * size[0] * size[1] * 4

    def pack(self, result: Tensor) -> Mapping[str, Tensor]:
        return {"pictures": narrow(result)}

    def unpack(self, tensors: Mapping[str, Tensor]) -> Tensor:
        return wide(tensors["pictures"])


@dataclass(frozen=True)
class ControlRun:
    """A ControlNet, and the share of the steps in which it runs."""

    kind: str
    net: str | None
    start: float = 0.0
    stop: float = 1.0


@dataclass(frozen=True)
class Controls(Stage[tuple[Condition, ...]]):
    """ControlNets that read the pictures, each with its weight in each frame and its share of the steps.

    Attributes:
        pictures: one for each of the settings
        differences: where given, the controls are in force only if none of the changes of prompt puts another shape in
            the place of one that is there
        weights: of each control, one for each frame
    """

    pictures: tuple[ControlPictures, ...]
    differences: ComparePrompts | None
    settings: tuple[ControlSettings, ...]
    weights: tuple[tuple[float, ...], ...]
    model: Model

    title: ClassVar[str] = "control"

    def make(
        self, session: Session, pictures: tuple[Tensor, ...], differences: list[PromptDifference] | None
    ) -> tuple[Condition, ...]:
        if differences is not None and not all(each.repaints for each in differences[1:] or differences):
            return ()
        backbone = session.plain(self.model)
        drawn = [DrawnControl(each, torch.tensor(own)) for each, own in zip(pictures, self.weights, strict=True)]
        pairs = zip(self.settings, drawn, strict=True)
        return tuple(Control(settings).condition(prepared, backbone) for settings, prepared in pairs)

    @property
    def runs(self) -> tuple[ControlRun, ...]:
        return tuple(ControlRun(each.kind, each.net, each.start, each.stop) for each in self.settings)


@dataclass(frozen=True)
class MotionControl(Stage[tuple[Condition, ...]]):
    """The ControlNet `motion`, which draws all frames at once, each from a picture moved along a flow.

    Attributes:
        net: its folder
    """

    picture: Stage[Tensor]
    motion: Stage[DenseFlow]
    net: File
    model: Model

    title: ClassVar[str] = "control"

    def make(self, session: Session, picture: Tensor, motion: DenseFlow) -> tuple[Condition, ...]:
        net = load_motion_control(self.net.path, session.plain(self.model))
        return (motion_condition(net, motion_pictures(picture, motion.backward, motion.visible)),)

    @property
    def runs(self) -> tuple[ControlRun, ...]:
        return (ControlRun(KIND, str(self.net.path)),)


def control_work(
    conditions: Sequence[Stage[Any]],
    steps: int,
    taken: int,
    branches: int,
    why: str = "",
    again: int = 1,
    every: int = 1,
) -> Iterator[Work]:
    """The runs of the ControlNets among ``conditions`` beside the last ``taken`` of so many ``steps`` of the UNet, each
    of them so often ``again``, and resting but ``every`` so manieth; ``why``, where not to sample."""
    for run in (each for some in conditions if isinstance(some, Controls | MotionControl) for each in some.runs):
        begin = max(run.start, 1 - taken / steps)
        acting = max(0, round((run.stop - begin) * steps))
        yield Work(
            "controlnet", f"ControlNet {run.kind}{why}", -(-acting // every) * again, branches, part=(run.kind, run.net)
        )


@dataclass(frozen=True)
class Conditioned(Stage[tuple[Condition, ...]]):
    """What a conditioner of any package makes of the clip, if there is one, and of what is heard.

    Attributes:
        clip: None in a job without one
    """

    clip: Stage[Clip] | None
    kind: str
    options: Mapping[str, Any]
    moments: Moments
    model: Model

    title: ClassVar[str] = "control"

    def make(self, session: Session, clip: Clip | None) -> tuple[Condition, ...]:
        conditioner = CONDITIONERS.make(self.kind, self.options)
        return (conditioner.condition(conditioner.prepare(clip, self.moments), session.plain(self.model)),)
