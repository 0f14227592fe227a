"""Priors: the starting noise of sampling, from clean latents and their prompt."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from vedit.backbone.model import Backbone
from vedit.condition import Condition
from vedit.flow import Flow
from vedit.graph.unfinished import Unfinished
from vedit.key_frames import KeyFrames
from vedit.mapped import in_chunks, room_for
from vedit.part import Family, Part
from vedit.progress import Progress
from vedit.schedule import Schedule


@dataclass(frozen=True)
class Start:
    """Starting noise (F, 4, h, w) and, where the prior has one, the trace (S + 1, F, 4, h, w), clean first."""

    noise: Tensor
    trace: Tensor | None = None

    def at(self, steps: Schedule, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Where to begin when only the last ``steps`` are taken, and the way there: a trace (S + 1, F, 4, h, w) from
        the clean ``latents`` (F, 4, h, w).

        A prior that has a trace knows the way. For fresh noise it is the clean latents under more and more of it; the
        beginning is then pure noise where all steps are taken, since nothing of the source should show through.
        """
        if self.trace is not None:
            trace = self.trace[: len(steps) + 1]
            return trace[-1], trace
        trace = room_for((len(steps) + 1, *latents.shape))
        trace[0] = latents
        for index in range(len(steps)):
            for cut in in_chunks(len(latents), trace, latents, self.noise):
                trace[len(steps) - index, cut] = steps.add_noise(latents[cut], self.noise[cut], index)
        return (self.noise if steps.whole else trace[-1]), trace


@dataclass(frozen=True, eq=False)
class PriorInputs:
    """What a prior may start from; each takes what it needs.

    latents: (F, 4, h, w) of the clip
    text: (1, T, D) of the source prompt
    schedule: that of the sampling
    seed: of what is drawn
    noise_walk: how far noise wanders in each frame, 0 to 1: a number, or one for each frame (F,)
    corrections: how often each step of an inversion is corrected
    flow: of the clip, for a prior that ``needs`` it
    things: (F, 1, h, w) bool, what strokes hold before the background; None where nothing is known of it
    conditions: what steers an inversion
    unfinished: where a long way there is saved between its steps, and gone on from
    keys: the frames that an inversion sees together, and how far it goes between them; None for all frames
    fill_steps: how many steps it goes in the frames between them
    """

    latents: Tensor
    text: Tensor
    schedule: Schedule
    seed: int = 0
    noise_walk: float | Sequence[float] = 0.0
    corrections: int = 0
    flow: Flow | None = None
    things: Tensor | None = None
    conditions: tuple[Condition, ...] = ()
    unfinished: Unfinished | None = None
    keys: KeyFrames | None = None
    fill_steps: int = 0
    progress: Progress | None = None


class Prior(Part, ABC):
    """A way from clean latents to starting noise."""

    walks: ClassVar[bool] = False
    """Whether it heeds ``PriorInputs.noise_walk``."""

    heeds_things: ClassVar[bool] = False
    """Whether it heeds ``PriorInputs.things``."""

    @abstractmethod
    def start(self, backbone: Backbone, given: PriorInputs) -> Start:
        """The noise, and the trace that leads there if it has one. ``given`` has a flow where it ``needs`` one."""


PRIORS = Family[Prior]("priors")
