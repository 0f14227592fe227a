"""What a job would cost, told without running it and without its weights: its time, its memory, its disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from vedit.backbone.outline import Outline
from vedit.graph import Plan, Stage, Store, Work
from vedit.jobs.disk_use import disk_uses
from vedit.jobs.resources import (
    FRAME,
    FRAMES_HELD,
    OWN_SIZE,
    QUEUE,
    QUEUED,
    Canvas,
    format_bytes,
    format_duration,
    in_hand,
    needed_memory,
    network_seconds,
)
from vedit.machine.disk import Disk, disks
from vedit.machine.memory import free_gpu_memory, free_memory, held_memory
from vedit.mapped import lies_in_file
from vedit.session import Session
from vedit.stages.denoise import Denoise
from vedit.stages.latents import Decode
from vedit.stages.noise import Reconstruct

if TYPE_CHECKING:
    from vedit.jobs.base import Goal
    from vedit.network_cost import Cost, NetworkCost

ADAM = 2
"""Numbers in float32 that the optimizer keeps for each one that it tunes."""

WARM = 60 * 2**20
"""Bytes that libraries take for themselves when they first compute."""

PIXEL_SECONDS = 1.5e-7
"""Seconds for each pixel of the clip's own pictures that is read, pasted and encoded; measured with H.264."""


@dataclass(frozen=True)
class JobCost:
    """What a job takes, once it runs.

    Attributes:
        work: runs of networks: what for, how often, operations of each
        seconds: of computing, reading and writing, about
        memory: bytes that it holds at most, by what they are for
        disks: what it writes, disk by disk
    """

    canvas: Canvas
    outline: Outline
    work: Sequence[tuple[str, int, float]]
    seconds: float
    memory: Mapping[str, float]
    disks: Sequence[Disk]

    @property
    def flop(self) -> float:
        """Operations in all."""
        return sum(times * each for _, times, each in self.work)


def cost_of(goal: Goal[Any], planned: Plan, store: Store | None) -> JobCost:
    """What it takes to make a goal by this plan, results being kept in a ``store``. Loads no weights."""
    from vedit.network_cost import NetworkCost  # with diffusers, which takes seconds to import

    assert goal.model is not None, "a job that is estimated has a model"
    assert goal.canvas is not None, "and runs it on frames"
    canvas, outline = goal.canvas, goal.model.outline
    runs = [each for stage in planned.to_make for each in stage.work()]
    kind = getattr(goal.settings, "attention", None) or outline.tuned.attention
    model = NetworkCost(outline, canvas.at_once, str(kind), runs)
    work, activations = _work(planned, model, canvas)
    stages = (*planned.to_make, *planned.there)
    pixels = canvas.frames * canvas.own[0] * canvas.own[1] if any(isinstance(each, Decode) for each in stages) else 0
    flop = sum(times * each for _, times, each in work)
    seconds = flop / model.speed(canvas.size, outline.device) + pixels * PIXEL_SECONDS
    memory = _memory(stages, model, activations, canvas)
    return JobCost(canvas, outline, work, seconds, memory, disks_of(goal, planned, store))


def disks_of(goal: Goal[Any], planned: Plan, store: Store | None) -> tuple[Disk, ...]:
    """What it writes to make a goal by this plan, disk by disk."""
    assert goal.model is not None, "a job that is estimated has a model"
    assert goal.canvas is not None, "and runs it on frames"
    return tuple(disks(disk_uses(goal.settings, planned, goal.canvas, goal.model.outline.vae_scale_factor, store)))


def told_first(goal: Goal[Any], planned: Plan, session: Session, store: Store | None) -> str:
    """What a long clip takes, in a line, to be told before any work."""
    assert goal.model is not None, "a job that is foretold has a model"
    assert goal.canvas is not None, "and runs it on frames"
    canvas, needed = goal.canvas, disks_of(goal, planned, store)
    if goal.model.outline.configs is None:  # a model in memory, whose networks cannot be counted without it
        seconds = network_seconds(canvas, goal.model, session, planned.to_make)
        memory = held_memory() + needed_memory(canvas, goal.model)
    else:
        cost = cost_of(goal, planned, store)
        seconds, memory = cost.seconds, sum(cost.memory.values())
    return (
        f"the clip is {format_duration(canvas.seconds)} long, {canvas.frames:,} frames: this takes about "
        f"{format_duration(seconds)} here, {format_bytes(memory)} of memory and "
        f"{format_bytes(sum(each.need for each in needed))} of disk; to take less, {goal.shorten}."
    )


@dataclass(frozen=True)
class Memory:
    """What is needed of a memory, how much of that this process holds already, and what is free beside it, in bytes."""

    name: str
    need: float
    held: float
    free: int | None

    def __str__(self) -> str:
        return format_bytes(self.need) + ("" if self.free is None else f", and {format_bytes(self.free)} are free")


def memories(memory: Mapping[str, float], device: torch.device) -> list[Memory]:
    """The machine's memory, and a GPU's own."""
    need, held = sum(memory.values()), memory[PROCESS] - WARM
    if device.type != "cuda":
        return [Memory("memory", need, held, free_memory())]
    ours = sum(memory[name] for name in ON_MACHINE)
    return [
        Memory("memory", ours, held, free_memory()),
        Memory("memory of the GPU", need - ours, 0, free_gpu_memory(device)),
    ]


def _work(planned: Plan, model: NetworkCost, canvas: Canvas) -> tuple[list[tuple[str, int, float]], float]:
    """The runs of networks, (what, how often, operations of each), and the largest activations in bytes."""
    counted: dict[str, tuple[int, float]] = {}
    costs: dict[tuple[Any, ...], Cost] = {}
    largest = 0.0
    for run in (each for stage in planned.to_make for each in stage.work() if each.times):
        kind = run.network, run.branches, run.part, run.frames is None
        if kind not in costs:
            costs[kind] = model.of(run, canvas.whole_size if run.network.startswith("vae") else canvas.size)
        times = _times(run, canvas)
        what = f"{run.what}, if in doubt" if run.doubtful and not run.network.startswith("vae") else run.what
        counted[what] = counted.get(what, (0, 0.0))[0] + times, costs[kind].flop
        largest = max(largest, costs[kind].bytes)
    return [(what, times, each) for what, (times, each) in counted.items()], largest


def _times(run: Work, canvas: Canvas) -> int:
    """How often a network runs: the VAE on each frame, the UNet on each window or, of frames in none, on each, and to
    learn, on one window."""
    if run.frames is not None:
        return run.times * run.frames
    if run.network.startswith("vae"):
        return round(run.times * canvas.frames * run.share)
    return run.times if run.network == "learning" else round(run.times * run.share * canvas.seen / canvas.at_once)


PROCESS, FRAMES, PASSING = "the program itself", "frames", "reading and writing"
ON_MACHINE = PROCESS, FRAMES, PASSING
"""Of the memory, what does not lie on a GPU."""


def _memory(stages: Sequence[Stage[Any]], model: NetworkCost, activations: float, canvas: Canvas) -> dict[str, float]:
    """Bytes that a job holds at most, by what they are for."""
    frames, size, own = canvas.frames, canvas.whole_size, canvas.own
    positions = (size[0] // model.vae_scale_factor) * (size[1] // model.vae_scale_factor)
    # Either the network runs on all frames, or frames of the clip's own size are read or written, a few at a time.
    passing = own[0] * own[1] * (OWN_SIZE + QUEUED * min(frames, QUEUE))
    ways = [each.start.steps + 1 for each in stages if isinstance(each, Denoise | Reconstruct) and each.start.latents]
    parts = {
        PROCESS: held_memory() + WARM,
        "weights": model.weights(),
        "activations, at most": activations,
        "optimizer": model.tuned() * 4 * ADAM if model.tuning else 0.0,
        "inversion": _way(max(ways, default=0), frames, positions, canvas.at_once),
        FRAMES: FRAMES_HELD * in_hand(size[0] * size[1] * FRAME, frames),
        PASSING: max(0.0, passing - activations),
    }
    # While weights are read, the file of the largest network lies in memory beside them.
    besides = sum(parts.values()) - parts[PROCESS] - parts["weights"]
    return parts | {"loading": max(0.0, model.loading() - besides)}


def _way(levels: int, frames: int, positions: int, at_once: int) -> float:
    """Bytes of an inversion's way to noise that are in memory: all of a short one; of one that lies in a file two
    levels of the frames that the network sees at once."""
    level = 4.0 * positions * 4  # of one frame: four channels in float32
    return 2 * at_once * level if lies_in_file(int(levels * frames * level)) else levels * frames * level
