"""What steers beside the prompt: control pictures of the clip, and the conditions that are made of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from vedit.annotators import Annotator
from vedit.clip import Clip
from vedit.condition import Condition
from vedit.conditioners import Conditioner
from vedit.conditioners.control import Control
from vedit.config import ControlSettings
from vedit.config.merge import make_part
from vedit.graph import Stage, Work
from vedit.graph.files import File
from vedit.masks.prompt_difference import PromptDifference
from vedit.session import Model, Session
from vedit.stages.difference import ComparePrompts
from vedit.stages.packing import narrow, wide


@dataclass(frozen=True)
class ControlPictures(Stage[Tensor]):
    """What an annotator draws of a clip, or what was drawn before and lies in a file: (F, 3, H, W) in [0, 1]."""

    clip: Stage[Clip]
    kind: str
    options: Mapping[str, Any]
    file: File | None = None

    title: ClassVar[str] = "control"
    kept: ClassVar[bool] = True

    def make(self, session: Session, clip: Clip) -> Tensor:
        annotator: Annotator = make_part("annotators", self.kind, dict(self.options))
        return (annotator.annotate(clip) if self.file is None else annotator.read(self.file.path, clip)).frames

    def pack(self, result: Tensor) -> Mapping[str, Tensor]:
        return {"pictures": narrow(result)}

    def unpack(self, tensors: Mapping[str, Tensor]) -> Tensor:
        return wide(tensors["pictures"])


@dataclass(frozen=True)
class Controls(Stage[tuple[Condition, ...]]):
    """ControlNets that read the pictures, each with its weight in each frame and its share of the steps.

    Attributes:
        pictures: one for each of the settings
        differences: where given, the controls are in force only if none of the changes of prompt puts another shape in
            the place of one that is there
        settings: weights settled for each frame
    """

    pictures: tuple[ControlPictures, ...]
    differences: ComparePrompts | None
    settings: tuple[ControlSettings, ...]
    model: Model

    title: ClassVar[str] = "control"

    def make(
        self, session: Session, pictures: tuple[Tensor, ...], differences: list[PromptDifference] | None
    ) -> tuple[Condition, ...]:
        if differences is not None and not all(each.repaints for each in differences[1:] or differences):
            return ()
        backbone = session.plain(self.model)
        pairs = zip(self.settings, pictures, strict=True)
        return tuple(Control(settings).condition(drawn, backbone) for settings, drawn in pairs)


def control_work(
    conditions: Sequence[Stage[Any]], steps: int, taken: int, branches: int, why: str = "", again: int = 1
) -> Iterator[Work]:
    """The runs of the ControlNets among ``conditions`` beside the last ``taken`` of so many ``steps`` of the UNet, each
    of them so often ``again``; ``why``, where not to sample."""
    for settings in (each for some in conditions if isinstance(some, Controls) for each in some.settings):
        begin = max(settings.start, 1 - taken / steps)
        acting = max(0, round((settings.stop - begin) * steps))
        yield Work(
            "controlnet",
            f"ControlNet {settings.kind}{why}",
            acting * again,
            branches,
            part=(settings.kind, settings.net),
        )


@dataclass(frozen=True)
class Conditioned(Stage[tuple[Condition, ...]]):
    """What a conditioner of any package makes of the clip."""

    clip: Stage[Clip]
    kind: str
    options: Mapping[str, Any]
    model: Model

    title: ClassVar[str] = "control"

    def make(self, session: Session, clip: Clip) -> tuple[Condition, ...]:
        conditioner: Conditioner = make_part("conditioners", self.kind, dict(self.options))
        return (conditioner.condition(conditioner.prepare(clip), session.plain(self.model)),)
