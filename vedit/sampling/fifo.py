"""Sampling of clips of any length from a queue of frames, each a little noisier than the one before it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from vedit.backbone.model import Backbone
from vedit.condition import Condition, attached, memories, remember
from vedit.errors import ConfigError
from vedit.graph.unfinished import Unfinished
from vedit.mapped import in_chunks, let_go, room_for
from vedit.progress import Progress
from vedit.request import Request
from vedit.sampling.guiders import Guider
from vedit.sampling.prediction import Predictor, predict
from vedit.schedule import Schedule
from vedit.windows import Window


@torch.no_grad()
def denoise_queue(
    backbone: Backbone,
    noise: Tensor,
    schedule: Schedule,
    guider: Guider,
    *,
    at_once: int,
    conditions: Sequence[Condition] = (),
    unfinished: Unfinished | None = None,
    progress: Progress | None = None,
) -> Tensor:
    """Denoise a clip frame after frame, in the memory that the frames ``at_once`` take, whatever its length.

    A queue holds as many frames as there are steps, the first nearly clean, each after it at one more level of noise.
    All take one step; then the first is finished and leaves, and fresh noise comes in at the end. The network sees the
    queue in overlapping blocks, each frame with its own timestep, and of each block the second half is heeded: what
    lies before it is cleaner, and shows how the clip goes on. The queue begins with the clip's first frames, sampled
    together and brought back to the levels of their places.

    Source: FIFO-Diffusion, Kim et al. 2024, sections 4.1 (diagonal denoising) and 4.3 (lookahead denoising), with DDIM
    steps that draw no noise. There the places before the first frames begin as copies of the first one, which are
    thrown away; here the queue grows from these frames.

    Args:
        backbone: the model
        noise: (F, 4, h, w) that each frame begins with
        schedule: S steps, the whole way from noise
        guider: of all F frames
        at_once: how many frames the network sees, 2 or more
        conditions: what steers beside the prompt, in each frame during its own share of the steps
        unfinished: where the state is saved between rounds; where one lies there, it is gone on from
        progress: what is told of each round; None for nothing

    Returns:
        Clean latents (F, 4, h, w), on the CPU, where the system can let go of those that are finished.

    Raises:
        ConfigError: for a condition that looks at the whole clip at one time, as an energy does
    """
    queue = Queue(backbone, noise, schedule, guider, at_once, conditions, unfinished)
    total, begin = rounds(len(noise), len(schedule), at_once), queue.begin()
    with attached(queue.conditions, backbone):
        for index, (frames, ages) in enumerate(queue.rounds(begin), begin):
            queue.step(frames, ages)
            if unfinished is not None and unfinished.due and index + 1 < total:
                unfinished.save(queue.state(index + 1, frames))
            if progress is not None:
                progress("denoising", index + 1, total)
    return queue.latents


def rounds(frames: int, steps: int, at_once: int) -> int:
    """How often a queue takes a step: those of the first frames, which are seen together, and one for each frame after
    them, until the last one is clean."""
    return steps if frames <= at_once else 2 * steps + frames - at_once


def blocks(finished: int, frames: int, at_once: int) -> Iterator[Window]:
    """The blocks in which the network sees so many ``frames`` of a queue, of which the first ones are ``finished`` and
    only looked at; what is taken of all blocks is the rest, each frame once."""
    start, ahead = finished, at_once - at_once // 2
    while start < frames:
        first = max(0, min(start - (at_once - ahead), frames - at_once))
        last = min(frames, first + at_once)
        yield Window(first, last, start, last)
        start = last


def passes(frames: int, steps: int, at_once: int) -> int:
    """How many frames the network sees over all rounds, each as often as it is seen."""
    seen = steps * min(frames, at_once)
    if frames > at_once:
        for turn in range(steps + frames - at_once):
            queued = _queued(turn, frames, steps, at_once)
            finished = min(queued.start, at_once - 1)
            found = blocks(finished, queued.stop - queued.start + finished, at_once)
            seen += sum(block.last - block.first for block in found)
    return seen


def _queued(turn: int, frames: int, steps: int, at_once: int) -> slice:
    """The frames in the queue in a ``turn`` of it, counted from that in which it holds the first ones."""
    entered = turn + min(at_once, frames)
    return slice(max(0, entered - steps), min(frames, entered))


class Queue:
    """The frames of a clip on their way from noise, each at its own step.

    Attributes:
        latents: (F, 4, h, w) noise where a frame has not begun, and clean where it is finished
        conditions: for one sampling
    """

    def __init__(
        self,
        backbone: Backbone,
        noise: Tensor,
        schedule: Schedule,
        guider: Guider,
        at_once: int,
        conditions: Sequence[Condition],
        unfinished: Unfinished | None = None,
    ) -> None:
        """As for ``denoise_queue``; ``begin`` comes first."""
        self.conditions = [each.begin() for each in conditions]
        self.latents = room_for(noise.shape) if unfinished is None else unfinished.room_for("tensor", noise.shape)
        self._unfinished = unfinished
        self._backbone, self._noise, self._schedule, self._at_once = backbone, noise, schedule, at_once
        self._guider, self._prompts = guider, guider.prompts.to(backbone.device)
        self._predict = BlockPredictor(backbone, at_once)

    def begin(self) -> int:
        """Take up what was saved, else the noise; returns how many rounds there have been."""
        saved = None if self._unfinished is None else self._unfinished.read()
        if saved is None:
            self._fill(0)
            return 0
        first, queued = int(saved["first"]), saved["queue"]
        self.latents[first : first + len(queued)] = queued  # before these all are finished, as they lie there
        self._fill(first + len(queued))
        remember(self.conditions, saved)
        return int(saved["rounds"])

    def _fill(self, first: int) -> None:
        """Let the frames from ``first`` on be noise."""
        for cut in in_chunks(len(self.latents) - first, self.latents, self._noise):
            moved = slice(first + cut.start, first + cut.stop)
            self.latents[moved] = self._noise[moved]

    def state(self, rounds: int, frames: slice) -> dict[str, Tensor]:
        """What sampling goes on from after so many rounds, the last of them of these ``frames``."""
        told = {"rounds": torch.tensor(rounds), "first": torch.tensor(frames.start), "queue": self.latents[frames]}
        return {**told, **memories(self.conditions)}

    def rounds(self, begin: int = 0) -> Iterator[tuple[slice, Tensor]]:
        """The frames that take a step in each round from ``begin`` on, and which step of the schedule that is for each
        of them (F',)."""
        frames, steps = len(self.latents), len(self._schedule)
        begun = min(self._at_once, frames)
        for index in range(begin, steps):
            yield slice(0, begun), torch.full((begun,), index)
        if frames == begun:
            return
        if begin <= steps:
            self._bring_back(begun)
        for turn in range(max(0, begin - steps), steps + frames - begun):
            queued = _queued(turn, frames, steps, begun)
            yield queued, turn + begun - 1 - torch.arange(queued.start, queued.stop)

    def _bring_back(self, begun: int) -> None:
        """Bring the first frames, which are clean, to the levels of their places in the queue."""
        self.conditions = [each.begin() for each in self.conditions]
        steps = begun - 1 - torch.arange(begun)
        kept = steps >= len(self._schedule)  # in a queue shorter than these frames some are finished
        noised = self._schedule.add_noise(
            self.latents[:begun], self._noise[:begun].cpu(), steps.clamp(max=len(self._schedule))
        )
        self.latents[:begun] = torch.where(kept[:, None, None, None], self.latents[:begun], noised)

    def step(self, frames: slice, ages: Tensor) -> None:
        """Take a step of these ``frames``, the step of each by its index in the schedule (F',)."""
        finished = min(frames.start, self._at_once - 1)
        seen = slice(frames.start - finished, frames.stop)
        request = self._asked(seen, torch.cat([ages.new_full((finished,), len(self._schedule) - 1), ages]))
        self._predict.finished = finished
        outputs = self._predict(request)
        request = request.frames(range(finished, seen.stop - seen.start))
        guider = self._guider.frames(frames)
        clean = partial(self._schedule.clean, request.latents, index=ages)
        lead = request.lead(outputs, guider.scale, frames)
        output = guider.combine(outputs[: len(request.prompt)], clean, lead)
        self.latents[frames] = self._schedule.step(request.latents, output, ages).cpu()
        let_go(self.latents)

    def _asked(self, seen: slice, ages: Tensor) -> Request:
        """What is asked of the network of some frames, given the step that each of them is at (F',), with all that acts
        in it."""
        count = len(self.latents)
        times = torch.zeros(count, dtype=torch.int64)
        times[seen] = self._schedule.timesteps[ages]
        request = Request(self.latents, times, self._prompts)
        for each in self.conditions:
            acts = torch.zeros(count)
            acts[seen] = torch.tensor([float(each.active(self._schedule.window(age))) for age in ages.tolist()])
            if acts.any():
                request = each.entrance.enter(request, each.envelope * acts.to(each.envelope))
        if request.energies:
            raise ConfigError("fifo: a condition looks at the whole clip at one time, and a queue has none; leave one.")
        asked = request.frames(range(seen.start, seen.stop))
        return replace(asked, latents=asked.latents.to(self._backbone.device, torch.float32))


class BlockPredictor(Predictor):
    """Predicts the frames of a queue in blocks."""

    def __init__(self, backbone: Backbone, at_once: int) -> None:
        super().__init__(backbone)
        self._at_once = at_once
        self.finished = 0
        """How many of the frames at the beginning of a request are finished: no output is given of them."""

    def _predict(self, request: Request, source: Request | None, step: int) -> Tensor:
        parts = []
        for block in blocks(self.finished, len(request.latents), self._at_once):
            asked = request.frames(block.frames)
            with self._backbone.in_window(asked.indices or block.frames):
                parts.append(predict(self._backbone, asked)[:, block.taken])
        return torch.cat(parts, dim=1)
