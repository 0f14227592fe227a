"""What shows of the windows that a clip was edited in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch import Tensor

from vedit.clip import Clip
from vedit.flow import Flow
from vedit.graph import Stage
from vedit.seams import WORST, Seams, drift, jumps, met, seams
from vedit.session import Session
from vedit.shots import ONE_SHOT, Shots
from vedit.stages.flow import EstimateFlow
from vedit.windows import Windows


@dataclass(frozen=True)
class MeasureSeams(Stage[Seams]):
    """The seams of an edit, and how its colours drift.

    Attributes:
        steps: of the whole schedule, of which the last ``taken`` were
    """

    clip: Stage[Clip]
    frames: Stage[Tensor]
    flow: EstimateFlow
    mask: Stage[Tensor] | None
    shots: Stage[Shots] | None
    windows: Windows
    steps: int
    taken: int

    title: ClassVar[str] = "measuring seams"

    def make(
        self, session: Session, clip: Clip, frames: Tensor, flow: Flow, mask: Tensor | None, shots: Shots | None
    ) -> Seams:
        shots, where = shots or ONE_SHOT, None if mask is None else mask.cpu()
        places = met(self.windows, shots, len(clip), range(self.steps - self.taken, self.steps))
        found = seams(jumps(frames, clip.frames, flow, where), shots, places)
        median = float(np.median([each.ratio for each in found])) if found else 1.0
        return Seams(tuple(found[:WORST]), median, drift(frames, clip.frames, clip.rate, shots, where))
