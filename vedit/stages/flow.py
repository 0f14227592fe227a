"""The motion of a clip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from vedit.clip import Clip
from vedit.clip.sizes import Size
from vedit.flow import Flow, Method, estimate_flow
from vedit.graph import Stage
from vedit.session import Session


@dataclass(frozen=True)
class EstimateFlow(Stage[Flow]):
    """How far each pixel of a clip moves from frame to frame, both ways, as one method estimates it."""

    clip: Stage[Clip]
    method: Method = "dis"

    title: ClassVar[str] = "flow"
    kept: ClassVar[bool] = True

    def make(self, session: Session, clip: Clip) -> Flow:
        return estimate_flow(clip.frames, self.method)

    def room(self, frames: int, size: Size, cell: int) -> int:
        return frames * size[0] * size[1] * (2 * 2 * 4 + 2)

    def pack(self, result: Flow) -> Mapping[str, Tensor]:
        names = ("forward", "backward", "hidden", "appeared")
        return {name: getattr(result, name) for name in names}

    def unpack(self, tensors: Mapping[str, Tensor]) -> Flow:
        return Flow(**tensors)
