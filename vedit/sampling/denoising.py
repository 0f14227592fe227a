"""The denoising loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from vedit.backbone.model import Backbone
from vedit.condition import Condition, Stretch, attached, enter, memories, of_source, remember
from vedit.graph.unfinished import Chapter, Unfinished
from vedit.mapped import CHUNK, in_chunks, let_go, room_for
from vedit.progress import Progress
from vedit.prompt import Prompt
from vedit.request import Request
from vedit.sampling.guiders import Guider
from vedit.sampling.prediction import Carried, Predictor
from vedit.sampling.solvers import Ddim, Solver
from vedit.schedule import Schedule
from vedit.windows import STRIDED


@dataclass(frozen=True)
class InjectionSource:
    """The clip being edited, whose queries, keys and features are injected into the edit in the first steps.

    text: its prompt (1, T, D); trace: of its inversion (S + 1, F, 4, h, w), clean first
    steps: in how many steps from the first it is injected
    guided: whether conditions that hold for it steer it too, as they do where they steered its inversion
    """

    text: Tensor
    trace: Tensor
    steps: int
    guided: bool = False

    def request(
        self, schedule: Schedule, index: int, conditions: Sequence[Condition], device: torch.device
    ) -> Request | None:
        """What is asked of the network, on its ``device``, for the source before the step of this index; None where it
        is not injected."""
        if index >= self.steps:
            return None
        let_go(self.trace)  # of the step before
        latents = self.trace[len(self.trace) - 1 - index].to(device)
        request = Request(latents, int(schedule.timesteps[index]), Prompt(self.text))
        return enter(of_source(conditions), request, schedule.window(index)) if self.guided else request


AfterStep = Callable[[Tensor, int, slice], Tensor]
"""From latents (F', 4, h, w) after the step of an index, and which frames of the clip these are, to those to go on
with."""


@torch.no_grad()
def denoise(
    backbone: Backbone,
    x: Tensor,
    schedule: Schedule,
    guider: Guider,
    *,
    conditions: Sequence[Condition] = (),
    source: InjectionSource | None = None,
    after_step: AfterStep | None = None,
    only: Sequence[Sequence[int]] | None = None,
    carried: Carried | None = None,
    loop: bool = False,
    strided: bool = False,
    stretch: Stretch | None = None,
    solver: Solver | None = None,
    deep_cache: int = 1,
    unfinished: Unfinished | Chapter | None = None,
    progress: Progress | None = None,
) -> Tensor:
    """Denoise (F, 4, h, w) from the schedule's first step to clean latents (F, 4, h, w).

    The latents of a long clip lie in files (``vedit.mapped``); after the network has seen them window by window, the
    step is taken a few frames at a time. What it comes to does not depend on how many.

    Args:
        backbone: the model
        x: the noise; left as it is
        schedule: the steps
        guider: of the prompts
        conditions: steer beside the prompt
        source: is injected in its first steps
        after_step: may change the latents after each step, as ``masks.LatentBlend.blend`` does
        only: groups of frames that are seen, by their indices, each by itself; what comes of the others is of no use
        carried: key frames whose attention the frames between them take over
        loop: whether the last frame is followed by the first
        strided: whether motion modules see a clip that is too long for them as a whole too, with a stride, in some of
            the first steps: of a clip that begins as noise, which then goes one way from beginning to end
        stretch: which frames of a longer clip these are; the guider and the conditions are of all of that one, and
            what else has frames is of these. None for a whole clip
        solver: takes the steps; None for DDIM's
        deep_cache: in each so manieth step the network runs whole (``backbone.deep_features``)
        unfinished: where the state is saved between steps; where one lies there, it is gone on from
        progress: what is told of each step; None for nothing
    """
    strided_steps = round(STRIDED * (schedule.skipped + len(schedule))) if strided else 0
    predict = Predictor(backbone, only, carried=carried, loop=loop, strided_steps=strided_steps, deep_cache=deep_cache)
    solver = solver or Ddim(schedule)
    conditions = [each.begin() for each in conditions]
    x, begin = _resumed(x.to(backbone.device, torch.float32), conditions, unfinished)
    after = room_for(x.shape, device=x.device)
    before, prompts = None, guider.prompts
    first, enters = (0, enter) if stretch is None else (stretch.first, stretch.enter)
    with attached(conditions, backbone):
        for index, t in list(enumerate(schedule.timesteps.tolist()))[begin:]:
            leading = guider.in_step(schedule.window(index))
            if leading is not before:
                before, prompts = leading, leading.prompts.to(backbone.device)
            request = enters(conditions, Request(x, t, prompts), schedule.window(index))
            if leading is not guider:
                request = replace(request, beside=())  # they guide as well
            lent = source.request(schedule, index, conditions, x.device) if source is not None else None
            outputs = _predicted(predict, request, lent, schedule, index)
            for cut in _stretches(request, outputs):
                output = guided_output(outputs, request, leading, schedule, index, cut, first)
                moved = solver.step(x[cut], output, index, slice(first + cut.start, first + cut.stop))
                after[cut] = moved if after_step is None else after_step(moved, index, cut)
                let_go(x, after, outputs)
            x, after = after, room_for(x.shape, device=x.device) if index == begin else x
            # Where what was remembered would be missing, it would not go on as it does without a kill.
            whole = not (predict.remembers or solver.remembers)
            if whole and unfinished is not None and unfinished.due and index + 1 < len(schedule):
                unfinished.save(_state(x, index + 1, conditions))
            if progress is not None:
                progress("denoising", index + 1, len(schedule))
    return x


def _predicted(predict: Predictor, request: Request, source: Request | None, schedule: Schedule, index: int) -> Tensor:
    """What the network says (N, F, 4, h, w) before the step of this index, of all branches."""
    with torch.set_grad_enabled(request.latents.requires_grad):
        return predict(request, source, step=schedule.skipped + index)


def _stretches(request: Request, outputs: Tensor) -> Iterator[slice]:
    """The frames that a step is taken of together: a few, or all where an energy looks at the clip as a whole."""
    frames = outputs.shape[1]
    return iter([slice(0, frames)]) if request.of_whole_clip else in_chunks(frames)


def guided_output(
    outputs: Tensor, request: Request, guider: Guider, schedule: Schedule, index: int, cut: slice, first: int = 0
) -> Tensor:
    """The output (F', 4, h, w) for the frames of a ``cut`` before the step of this index: the network's ``outputs`` (N,
    F, 4, h, w) of all branches, guided by all that has entered the ``request``. ``first``: which of the guider's frames
    the first one is."""
    there = slice(first + cut.start, first + cut.stop)
    with torch.set_grad_enabled(request.latents.requires_grad):
        latents, told, some = request.latents[cut], outputs[:, cut], guider.frames(there)
        lead = request.lead(told, some.scale, there)
        clean = partial(schedule.clean, latents, index=index)
        output = some.combine(told[: len(request.prompt)], clean, lead)
    gradient = request.gradient(output, schedule, index, cut)
    return output if gradient is None else schedule.descend(output.detach(), gradient, index)


def _resumed(x: Tensor, conditions: Sequence[Condition], unfinished: Unfinished | Chapter | None) -> tuple[Tensor, int]:
    """The latents (F, 4, h, w) to go on with, and how many steps they have taken: those that were saved, or ``x`` and
    none. What the conditions remember is given back to them."""
    saved = None if unfinished is None else unfinished.read()
    if saved is None or saved["latents"].shape != x.shape:
        return x, 0
    remember(conditions, saved)
    return saved["latents"].to(x.device), int(saved["steps"])


def _state(x: Tensor, steps: int, conditions: Sequence[Condition]) -> dict[str, Tensor]:
    """What sampling goes on from after so many steps."""
    return {"latents": x, "steps": torch.tensor(steps), **memories(conditions)}


def noise(seed: int, frames: int, shape: tuple[int, int, int], *, first: int = 0) -> Tensor:
    """Gaussian noise (F, *shape), each frame keyed by (seed, frame): a longer clip keeps its first frames' noise."""
    drawn = room_for((frames, *shape))
    for row, frame in enumerate(range(first, first + frames)):
        drawn[row] = torch.randn(shape, generator=keyed(seed, frame))
        if row % CHUNK == 0:
            let_go(drawn)
    return drawn


def keyed(seed: int, number: int) -> torch.Generator:
    """A generator of what is drawn for one ``number`` of a ``seed``, such as a frame's."""
    return torch.Generator().manual_seed((seed * 0x9E3779B97F4A7C15 + number * 0xD1B54A32D192ED03) % 2**63)
