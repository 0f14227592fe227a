"""DDIM inversion: the noise from which the clip itself would be sampled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from vedit.backbone.model import Backbone
from vedit.condition import Condition, Stretch, enter, of_source
from vedit.graph.unfinished import Chapter, Unfinished
from vedit.key_frames import KeyFrames
from vedit.mapped import in_chunks, let_go, room_for
from vedit.part import Need
from vedit.priors import Prior, PriorInputs, Start
from vedit.progress import Progress, renamed
from vedit.prompt import Prompt
from vedit.request import Request
from vedit.sampling.denoising import denoise
from vedit.sampling.guiders import Unguided
from vedit.sampling.prediction import Predictor
from vedit.schedule import Schedule
from vedit.windows import as_index

BETWEEN = "ends"
"""The attention kind of what lies between two key frames: it looks at both."""

FILLING = "inverting between key frames"
"""What progress calls it."""


@torch.no_grad()
def invert(
    backbone: Backbone,
    x0: Tensor,
    text: Tensor,
    steps: int,
    *,
    corrections: int = 0,
    conditions: Sequence[Condition] = (),
    only: Sequence[Sequence[int]] | None = None,
    unfinished: Unfinished | None = None,
    progress: Progress | None = None,
) -> Tensor:
    """From a clip's latents to the noise from which its own prompt would sample them again.

    Song et al. 2021, section 4.3, as Tune-A-Video has it: each step predicts the noise on the latents where they are
    but is told the timestep where they are going. That is an approximation, whose errors can grow until a frame is
    lost. With ``corrections`` a step moves with the noise that the step before was told, which changes little from step
    to step, and is then taken again so many times, with the noise predicted where it led. That brings it near the
    point from which sampling comes back exactly (Pan et al. 2023, "Effective Real Image Editing with Accelerated
    Iterative Diffusion Inversion", section 3.2), in as many passes as a plain inversion: one a step for each
    correction, and one to begin with. Runs under the attention kind in force.

    Args:
        backbone: the model
        x0: the clip's latents (F, 4, h, w), as `Backbone.encode` gives them
        text: its prompt's embedding (1, T, D), as `Backbone.embed` gives it
        steps: S, those of the whole way to noise
        corrections: of each step; 0 is plain DDIM inversion
        conditions: what steers beside the prompt; those that hold for the source are heeded
        only: groups of frames that are seen, by their indices, each by itself; what comes of the others is of no use
        unfinished: where the state is saved between steps; where one lies there, it is gone on from
        progress: what is told of each step; None for nothing

    Returns:
        The trace (S + 1, F, 4, h, w), the clean latents first and the noise last, on the CPU.
    """
    trace = trace_for(x0, steps, unfinished)
    way = _Way(backbone, text, steps, corrections, of_source(conditions))
    way.climb(trace, steps, unfinished, only=only, progress=progress)
    return trace


@torch.no_grad()
def invert_key_frames(
    backbone: Backbone,
    x0: Tensor,
    text: Tensor,
    steps: int,
    keys: KeyFrames,
    fill_steps: int,
    *,
    corrections: int = 0,
    conditions: Sequence[Condition] = (),
    unfinished: Unfinished | None = None,
    progress: Progress | None = None,
) -> Tensor:
    """``invert`` key frames together, those of each shot, and then what lies between two of them beside both.

    Args:
        fill_steps: how far frames between key frames are inverted

    Returns:
        The trace (S + 1, F, 4, h, w); where it was not asked for it is 0.
    """
    trace = trace_for(x0, steps, unfinished)
    common: dict[str, Any] = {"corrections": corrections, "conditions": conditions}
    if Chapter.begun(unfinished) == 0:
        way = _Way(backbone, text, steps, corrections, of_source(conditions))
        way.climb(trace, steps, Chapter.of(unfinished, 0), only=keys.together, progress=progress)
    invert_between(
        backbone, trace, text, steps, fill_steps, keys.segments, **common,
        unfinished=Chapter.of(unfinished, 1), progress=progress,
    )  # fmt: skip
    for level in range(fill_steps + 1, steps + 1):
        trace[level, keys.others] = 0.0
        let_go(trace)
    return trace


@torch.no_grad()
def invert_between(
    backbone: Backbone,
    trace: Tensor,
    text: Tensor,
    steps: int,
    taken: int,
    groups: Sequence[Sequence[int]],
    *,
    corrections: int = 0,
    conditions: Sequence[Condition] = (),
    stretch: Stretch | None = None,
    unfinished: Chapter | None = None,
    progress: Progress | None = None,
) -> None:
    """``invert`` what lies between two frames each, beside both, of which the trace is known.

    Args:
        trace: (R + 1 or more, F, 4, h, w), clean first, that is written into
        taken: R, how many of the steps are taken
        groups: the frames that are seen together, by their indices; the first and the last are known
        stretch: which frames of a longer clip the trace is of; the conditions are of all of that one
        unfinished: where the state is saved between steps; what it tells of the trace must lie there already
    """
    into = [frame for group in groups for frame in group[1:-1]]
    if into:
        way = _Way(backbone, text, steps, corrections, of_source(conditions), stretch)
        with backbone.attending(BETWEEN):
            way.climb(trace, taken, unfinished, only=groups, into=into, progress=renamed(progress, FILLING))


def trace_for(x0: Tensor, steps: int, unfinished: Unfinished | None) -> Tensor:
    """A trace (S + 1, F, 4, h, w) to be filled, which begins with the clean latents ``x0`` (F, 4, h, w); where an
    inversion is saved, with what it had come to."""
    shape = (steps + 1, *x0.shape)
    trace = room_for(shape) if unfinished is None else unfinished.room_for("trace", shape)
    for cut in in_chunks(len(x0), trace, x0):
        trace[0, cut] = x0[cut]
    return trace


@dataclass(frozen=True, eq=False)
class _Way:
    """What all steps of an inversion have in common: see ``invert``."""

    backbone: Backbone
    text: Tensor
    steps: int
    corrections: int
    conditions: Sequence[Condition]
    stretch: Stretch | None = None

    def climb(
        self,
        trace: Tensor,
        taken: int,
        unfinished: Unfinished | Chapter | None,
        *,
        only: Sequence[Sequence[int]] | None,
        into: Sequence[int] | None = None,
        progress: Progress | None,
    ) -> None:
        """Take steps up a ``trace`` (S + 1, F, 4, h, w), until there are so many, ``taken``, from the clean latents on.

        Args:
            only: groups of frames that the network sees, each by itself
            into: the frames that are inverted; the trace is known of the others. None for all frames
        """
        device, predict = self.backbone.device, Predictor(self.backbone, only)
        schedule, (begun, told) = self.backbone.schedule(self.steps), _begun(unfinished, device)
        for step in range(begun, taken):
            index, x, there = self.steps - 1 - step, trace[step], trace[step + 1]
            if told is None or self.corrections == 0:
                told = self._output(predict, schedule, x, index)
            for cut in in_chunks(len(x), trace, told):
                _put(there, cut, schedule.invert(x[cut].to(device), told[cut], index), into)
            for _ in range(self.corrections):
                told = self._output(predict, schedule, there, index)
                for cut in in_chunks(len(x), trace, told):
                    moved = schedule.invert_as(x[cut].to(device), told[cut], there[cut].to(device), index)
                    _put(there, cut, moved, into)
            if unfinished is not None and unfinished.due and step + 1 < taken:
                unfinished.save({"steps": torch.tensor(step + 1), **({"told": told} if self.corrections else {})})
            if progress is not None:
                progress("inverting", step + 1, taken)

    def _output(self, predict: Predictor, schedule: Schedule, latents: Tensor, index: int) -> Tensor:
        """What the network says (F, 4, h, w) of latents before the step of this index."""
        request = Request(latents.to(self.backbone.device), int(schedule.timesteps[index]), Prompt(self.text))
        enters = enter if self.stretch is None else self.stretch.enter
        return predict(enters(self.conditions, request, schedule.window(index)), step=index)[0]


def _begun(unfinished: Unfinished | Chapter | None, device: torch.device) -> tuple[int, Tensor | None]:
    """How many steps an inversion has taken already, and what the network said last, where that is still needed."""
    saved = None if unfinished is None else unfinished.read()
    if saved is None:
        return 0, None
    told = saved.get("told")
    return int(saved["steps"]), None if told is None else told.to(device)


def _put(level: Tensor, cut: slice, moved: Tensor, into: Sequence[int] | None) -> None:
    """Write what has moved (F', 4, h, w), the frames of a ``cut``, into a level (F, 4, h, w) of a trace, those of
    ``into`` alone where these are named."""
    if into is None:
        level[cut] = moved
        return
    rows = [frame for frame in into if cut.start <= frame < cut.stop]
    level[rows] = moved[[row - cut.start for row in rows]].to(level)


def correction_size(trace: Tensor, schedule: Schedule, rows: Sequence[int] | None = None) -> float:
    """By how much the steps of an inversion's ``trace`` (S + 1, F, 4, h, w), clean first, were corrected in all.

    A step starts with the noise predicted in the step before, and its correction is the difference to its own
    prediction; both are read off the trace, whose ``schedule`` is given. In units of clean latents: the sum over the
    steps of the root mean square. Where it is small, so is what is left to correct, and sampling leads back to the
    clip. ``rows`` are the frames that it is about, by their indices; None for all.
    """
    # Levels of pure noise hold no signal to divide by.
    signal = schedule.levels.signal.flip(0).clamp(min=1e-3).to(trace.device)
    moved = ((1 - signal.square()).sqrt() / signal).diff()

    frames = range(trace.shape[1]) if rows is None else rows

    def told(step: int, cut: slice) -> Tensor:
        some = as_index(frames[cut])
        return (trace[step + 1, some] / signal[step + 1] - trace[step, some] / signal[step]) / moved[step]

    total, count = 0.0, len(frames) * trace[0, 0].numel()
    for step in range(1, len(moved)):
        squares = [
            ((told(step, cut) - told(step - 1, cut)) * moved[step]).square().double().sum((1, 2, 3))
            for cut in in_chunks(len(frames), trace)
        ]
        total += math.sqrt(float(torch.cat(squares).sum()) / count)
    return total


def passes(steps: int, corrections: int) -> int:
    """How often ``invert`` runs the network."""
    return steps * corrections + 1 if corrections else steps


def reconstruct(
    backbone: Backbone,
    trace: Tensor,
    text: Tensor,
    steps: int,
    *,
    conditions: Sequence[Condition] = (),
    only: Sequence[Sequence[int]] | None = None,
    unfinished: Unfinished | None = None,
    progress: Progress | None = None,
) -> Tensor:
    """Sample back from a trace's end with its own prompt and no guidance.

    Args:
        backbone: the model
        trace: what `invert` gave, or the first part of it
        text: the prompt's embedding (1, T, D)
        steps: those of the whole inversion; of a trace that was cut shorter, as many are taken as it has
        conditions: those that it was made under
        only: groups of frames that are seen, each by itself, as it was made
        unfinished: where the state is saved between steps; where one lies there, it is gone on from
        progress: what is told of each step; None for nothing

    Returns:
        Latents (F, 4, h, w).
    """
    schedule = backbone.schedule(steps).last(len(trace) - 1)
    guider, holding = Unguided(Prompt(text)), of_source(conditions)
    return denoise(
        backbone, trace[-1], schedule, guider, conditions=holding, only=only, unfinished=unfinished, progress=progress
    )


class Inversion(Prior):
    """The prior of editing: the clip's own noise, and the trace that led to it."""

    needs: ClassVar[frozenset[Need]] = frozenset({"clip"})

    def start(self, backbone: Backbone, given: PriorInputs) -> Start:
        common: dict[str, Any] = {
            "corrections": given.corrections, "conditions": given.conditions, "unfinished": given.unfinished,
            "progress": given.progress,
        }  # fmt: skip
        what = backbone, given.latents, given.text, len(given.schedule)
        if given.keys is None:
            trace = invert(*what, **common)
        else:
            trace = invert_key_frames(*what, given.keys, given.fill_steps, **common)
        return Start(trace[-1], trace)
