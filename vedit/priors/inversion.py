"""DDIM inversion: the noise from which the clip itself would be sampled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from vedit.backbone.model import Backbone
from vedit.condition import Condition, enter, of_source
from vedit.guiders import Unguided
from vedit.mapped import let_go, room_for
from vedit.part import Need
from vedit.prediction import Predictor
from vedit.priors import Prior, PriorInputs, Start
from vedit.progress import Progress
from vedit.prompt import Prompt
from vedit.request import Request
from vedit.sampling import denoise
from vedit.schedule import Schedule


@torch.no_grad()
def invert(
    backbone: Backbone,
    x0: Tensor,
    text: Tensor,
    steps: int,
    *,
    corrections: int = 0,
    conditions: Sequence[Condition] = (),
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
        progress: what is told of each step; None for nothing

    Returns:
        The trace (S + 1, F, 4, h, w), the clean latents first and the noise last, on the CPU.
    """
    schedule, holding, predict = backbone.schedule(steps), of_source(conditions), Predictor(backbone)
    x = x0.to(backbone.device, torch.float32)

    def output(latents: Tensor, index: int) -> Tensor:
        request = Request(latents, int(schedule.timesteps[index]), Prompt(text))
        return predict(enter(holding, request, schedule.window(index)), step=index)[0]

    trace = room_for((steps + 1, *x.shape))
    trace[0] = x
    told = None
    for index in reversed(range(steps)):
        if told is None or corrections == 0:
            told = output(x, index)
        there = schedule.invert(x, told, index)
        for _ in range(corrections):
            told = output(there, index)
            there = schedule.invert_as(x, told, there, index)
        x = there
        trace[steps - index] = x
        let_go(trace)
        if progress is not None:
            progress("inverting", steps - index, steps)
    return trace


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
    total, before = trace.new_zeros(()), None
    for step in range(len(moved)):
        told = (trace[step + 1] / signal[step + 1] - trace[step] / signal[step]) / moved[step]
        if before is not None:
            total = total + ((told - before) * moved[step]).square().mean().sqrt()
        before = told
        let_go(trace)
    return float(total)


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
    progress: Progress | None = None,
) -> Tensor:
    """Sample back from a trace's end with its own prompt and no guidance.

    Args:
        backbone: the model
        trace: what `invert` gave, or the first part of it
        text: the prompt's embedding (1, T, D)
        steps: those of the whole inversion; of a trace that was cut shorter, as many are taken as it has
        conditions: those that it was made under
        progress: what is told of each step; None for nothing

    Returns:
        Latents (F, 4, h, w).
    """
    schedule = backbone.schedule(steps).last(len(trace) - 1)
    return denoise(
        backbone, trace[-1], schedule, Unguided(Prompt(text)), conditions=of_source(conditions), progress=progress
    )


class Inversion(Prior):
    """The prior of editing: the clip's own noise, and the trace that led to it."""

    needs: ClassVar[frozenset[Need]] = frozenset({"clip"})

    def start(self, backbone: Backbone, given: PriorInputs) -> Start:
        trace = invert(
            backbone,
            given.latents,
            given.text,
            len(given.schedule),
            corrections=given.corrections,
            conditions=given.conditions,
            progress=given.progress,
        )
        return Start(trace[-1], trace)
