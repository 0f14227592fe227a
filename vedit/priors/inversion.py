"""DDIM inversion: the noise from which the clip itself would be sampled."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from vedit.backbone.model import Backbone
from vedit.condition import Condition, enter, of_source
from vedit.graph.unfinished import Unfinished
from vedit.guiders import Unguided
from vedit.key_frames import KeyFrames
from vedit.mapped import in_chunks, let_go, room_for
from vedit.part import Need
from vedit.prediction import Predictor
from vedit.priors import Prior, PriorInputs, Start
from vedit.progress import Progress, renamed
from vedit.prompt import Prompt
from vedit.request import Request
from vedit.sampling import denoise
from vedit.schedule import Schedule

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
    taken: int | None = None,
    hold: Callable[[Tensor, int], None] | None = None,
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
        taken: how many of the steps, from the clean latents on; None for all
        hold: puts into the latents (F, 4, h, w), which lie so many steps from the clean ones, those that are known
        unfinished: where the state is saved between steps; where one lies there, it is gone on from
        progress: what is told of each step; None for nothing

    Returns:
        The trace (S + 1, F, 4, h, w), the clean latents first and the noise last, on the CPU; of the steps taken.
    """
    schedule, holding, predict = backbone.schedule(steps), of_source(conditions), Predictor(backbone, only)
    device, count = backbone.device, steps if taken is None else taken

    def output(latents: Tensor, index: int) -> Tensor:
        request = Request(latents.to(device), int(schedule.timesteps[index]), Prompt(text))
        return predict(enter(holding, request, schedule.window(index)), step=index)[0]

    shape = (count + 1, *x0.shape)
    trace = room_for(shape) if unfinished is None else unfinished.room_for("trace", shape)
    done, told = _resumed(unfinished, device)
    if done == 0:
        trace[0] = x0
    for step in range(done, count):
        index, x, there = steps - 1 - step, trace[step], trace[step + 1]
        if told is None or corrections == 0:
            told = output(x, index)
        for cut in in_chunks(len(x), trace, told):
            there[cut] = schedule.invert(x[cut].to(device), told[cut], index)
        if hold is not None:
            hold(there, step + 1)
        for _ in range(corrections):
            told = output(there, index)
            for cut in in_chunks(len(x), trace, told):
                there[cut] = schedule.invert_as(x[cut].to(device), told[cut], there[cut].to(device), index)
            if hold is not None:
                hold(there, step + 1)
        if unfinished is not None and unfinished.due and step + 1 < count:
            unfinished.save({"steps": torch.tensor(step + 1), **({"told": told} if corrections else {})})
        if progress is not None:
            progress("inverting", step + 1, count)
    return trace


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
    progress: Progress | None = None,
) -> Tensor:
    """``invert`` key frames together, those of each shot, and then what lies between two of them beside both.

    Args:
        fill_steps: how far frames between key frames are inverted

    Returns:
        The trace (S + 1, F, 4, h, w); where it was not asked for it is 0.
    """
    common: dict[str, Any] = {"corrections": corrections, "conditions": conditions}
    trace = invert(backbone, x0, text, steps, only=keys.together, **common, progress=progress)
    rows, others = list(keys.at), keys.others
    if others:

        def hold(latents: Tensor, level: int) -> None:
            latents[rows] = trace[level, rows]

        told = renamed(progress, FILLING)
        with backbone.attending(BETWEEN):
            between = invert(
                backbone, x0, text, steps, only=keys.segments, taken=fill_steps, hold=hold, **common, progress=told
            )
        for level in range(steps + 1):
            trace[level, others] = between[level, others] if level <= fill_steps else 0.0
            let_go(trace, between)
    return trace


def _resumed(unfinished: Unfinished | None, device: torch.device) -> tuple[int, Tensor | None]:
    """How many steps an inversion has taken already, and what the network said last."""
    saved = None if unfinished is None else unfinished.read()
    if saved is None:
        return 0, None
    told = saved.get("told")
    return int(saved["steps"]), None if told is None else told.to(device)


def correction_size(trace: Tensor, schedule: Schedule) -> float:
    """By how much the steps of an inversion's ``trace`` (S + 1, F, 4, h, w), clean first, were corrected in all.

    A step starts with the noise predicted in the step before, and its correction is the difference to its own
    prediction; both are read off the trace, whose ``schedule`` is given. In units of clean latents: the sum over the
    steps of the root mean square. Where it is small, so is what is left to correct, and sampling leads back to the
    clip.
    """
    # Levels of pure noise hold no signal to divide by.
    signal = schedule.levels.signal.flip(0).clamp(min=1e-3).to(trace.device)
    moved = ((1 - signal.square()).sqrt() / signal).diff()

    def told(step: int, cut: slice) -> Tensor:
        return (trace[step + 1, cut] / signal[step + 1] - trace[step, cut] / signal[step]) / moved[step]

    total, count = 0.0, trace[0].numel()
    for step in range(1, len(moved)):
        squares = [
            ((told(step, cut) - told(step - 1, cut)) * moved[step]).square().double().sum((1, 2, 3))
            for cut in in_chunks(trace.shape[1], trace)
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
            "corrections": given.corrections, "conditions": given.conditions, "progress": given.progress,
        }  # fmt: skip
        what = backbone, given.latents, given.text, len(given.schedule)
        if given.keys is None:
            trace = invert(*what, unfinished=given.unfinished, **common)
        else:
            trace = invert_key_frames(*what, given.keys, given.fill_steps, **common)
        return Start(trace[-1], trace)
