"""The key frames of a clip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor

from vedit.clip import Clip
from vedit.flow import Flow
from vedit.graph import Stage, Work
from vedit.key_frames import USUAL, KeyFrames, by_content, evenly
from vedit.session import Session
from vedit.shots import ONE_SHOT, Shots
from vedit.stages.flow import EstimateFlow


@dataclass(frozen=True)
class ChooseKeys(Stage[KeyFrames]):
    """Which frames of a clip are edited together.

    Attributes:
        flow: of the clip, by which they are chosen where no ``count`` is given
        shots: of the clip; None where it is one
        frames: how many the clip has
    """

    clip: Stage[Clip]
    flow: EstimateFlow | None
    shots: Stage[Shots] | None
    count: int | None
    frames: int = field(compare=False)

    title: ClassVar[str] = "choosing key frames"
    kept: ClassVar[bool] = True

    def make(self, session: Session, clip: Clip, flow: Flow | None, shots: Shots | None) -> KeyFrames:
        shots = shots or ONE_SHOT
        if self.count is not None:
            return evenly(len(clip), self.count, shots)
        assert flow is not None, "without a number they are chosen by the flow"
        return by_content(flow, shots)

    def pack(self, result: KeyFrames) -> Mapping[str, Tensor]:
        return {"at": torch.tensor(result.at), "shots": torch.tensor(result.shots.starts)}

    def unpack(self, tensors: Mapping[str, Tensor]) -> KeyFrames:
        return KeyFrames(tuple(tensors["at"].tolist()), Shots(tuple(tensors["shots"].tolist())))

    # What is known before they are chosen: how many there will be, about.

    @property
    def expected(self) -> int:
        """How many there will be."""
        return min(self.frames, self.count or 1 + -(-self.frames // USUAL))

    def largest_group(self, *, recursive: bool) -> int:
        """Frames that are seen at once: the key frames, or what is filled in between two of them, with both."""
        return max(self.expected, 3 if recursive else 1 + -(-self.frames // max(1, self.expected - 1)))

    @property
    def others(self) -> int:
        """How many frames will lie between them."""
        return self.frames - self.expected

    def of_keys(self, *works: Work) -> tuple[Work, ...]:
        """Work of all frames, when it is done for the key frames alone."""
        return tuple(replace(each, share=self.expected / self.frames) for each in works)

    def of_segments(self, *works: Work, recursive: bool = False) -> tuple[Work, ...]:
        """The same, for the frames between them, with those beside that they look at: the two key frames of each
        segment or, ``recursive``, two for each frame."""
        groups = self.others if recursive else min(self.others, self.expected - 1)
        return tuple(replace(each, share=(self.others + 2 * groups) / self.frames) for each in works)
