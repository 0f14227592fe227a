"""The cost of a job, estimated without running it: its time, its memory, and what they are made of."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from vedit.backbone.outline import Outline
from vedit.clip.sizes import Size
from vedit.config import Settings
from vedit.graph import Plan, Stage, Work, plan
from vedit.jobs.base import Given, Goal, Job, result_store
from vedit.jobs.resources import (
    FRAME,
    FRAMES_HELD,
    OWN_SIZE,
    QUEUE,
    QUEUED,
    Canvas,
    check_fits,
    format_bytes,
    format_duration,
)
from vedit.machine_memory import free_gpu_memory, free_memory, held_memory
from vedit.network_cost import Cost, NetworkCost
from vedit.session import Session
from vedit.stages.denoise import Denoise
from vedit.stages.latents import Decode
from vedit.stages.noise import Reconstruct

Rows = list[list[str]]

ADAM = 2
"""Numbers in float32 that the optimizer keeps for each one that it tunes."""

WARM = 60 * 2**20
"""Bytes that libraries take for themselves when they first compute."""

PIXEL_SECONDS = 1.5e-7
"""Seconds for each pixel of the clip's own pictures that is read, pasted and encoded; measured with H.264."""


def estimate(job: Job[Any, Any], config: Settings) -> Iterator[tuple[str, Rows]]:
    """Tables of what a job would cost in all, the settled settings, the work, what is kept of it from earlier jobs, and
    the memory: title, rows.

    Loads no weights. Motion modules, LoRAs and third parties' conditioners are not counted. Raises MediaError and
    WeightsError as the job itself would; and DeviceError, after the tables, where it cannot fit into the memory.
    """
    goal = job.goal(config, Session(fetches=False), Given())
    planned = plan(goal.stage, store=result_store(config))
    cost = cost_of(goal, planned)
    canvas, outline = cost.canvas, cost.outline
    memories = _memories(cost.memory, outline.device)
    seconds = cost.seconds + time.process_time()
    yield "in all, about", [["time", format_duration(seconds)], *([each.name, str(each)] for each in memories)]
    yield "settings", [[name, str(value)] for name, value in config.model_dump(mode="json").items()]
    yield "clip", _clip(canvas, outline.vae_scale_factor)
    rows = [[name, f"{times} x {_flop(each)}"] for name, times, each in cost.work]
    yield "work", [*rows, ["in all", _flop(cost.flop)]]
    if there := dict.fromkeys(stage.title for stage in planned.there):
        yield "kept from earlier, not made again", [[title, "there"] for title in there]
    parts = [*cost.memory.items(), ("in all", sum(cost.memory.values()))]
    yield "memory, about", [[name, format_bytes(count)] for name, count in parts if count]
    for each in memories:
        check_fits(each.need - each.held, each.free, goal.shorten)


@dataclass(frozen=True)
class JobCost:
    """What a job takes, once it runs.

    Attributes:
        work: runs of networks: what for, how often, operations of each
        seconds: of computing, reading and writing, about
        memory: bytes that it holds at most, by what they are for
    """

    canvas: Canvas
    outline: Outline
    work: Sequence[tuple[str, int, float]]
    seconds: float
    memory: Mapping[str, float]

    @property
    def flop(self) -> float:
        """Operations in all."""
        return sum(times * each for _, times, each in self.work)


def cost_of(goal: Goal[Any], planned: Plan) -> JobCost:
    """What it takes to make a goal by this plan. Loads no weights."""
    assert goal.model is not None, "a job that is estimated has a model"
    assert goal.canvas is not None, "and runs it on frames"
    canvas, outline = goal.canvas, goal.model.outline
    runs = [each for stage in planned.to_make for each in stage.work()]
    model = NetworkCost(outline, canvas.at_once, str(getattr(goal.settings, "attention", "")), runs)
    work, activations = _work(planned, model, canvas)
    stages = (*planned.to_make, *planned.there)
    pixels = canvas.frames * canvas.own[0] * canvas.own[1] if any(isinstance(each, Decode) for each in stages) else 0
    flop = sum(times * each for _, times, each in work)
    seconds = flop / model.speed(canvas.size, outline.device) + pixels * PIXEL_SECONDS
    return JobCost(canvas, outline, work, seconds, _memory(stages, model, activations, canvas))


def _clip(canvas: Canvas, cell: int) -> Rows:
    """``cell``: pixels for each of the latents."""
    height, width = canvas.size
    if canvas.whole is None:
        told = [["frames", str(canvas.frames)], ["size", _across(canvas.size)]]
    else:
        own = f"{_across(canvas.own)}, worked on at {_across(canvas.size)}"
        told = [["frames", f"{canvas.frames} of {canvas.whole}"], ["size", own]]
    if windows := canvas.windows:
        told.append(["windows", f"of {windows.size} frames, {windows.overlap} of them shared"])
    return [*told, ["latents", f"{width // cell}x{height // cell}"]]


def _across(size: Size) -> str:
    return f"{size[1]}x{size[0]}"


@dataclass(frozen=True)
class Memory:
    """What is needed of a memory, how much of that this process holds already, and what is free beside it, in bytes."""

    name: str
    need: float
    held: float
    free: int | None

    def __str__(self) -> str:
        return format_bytes(self.need) + ("" if self.free is None else f", and {format_bytes(self.free)} are free")


def _memories(memory: Mapping[str, float], device: torch.device) -> list[Memory]:
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
        kind = run.network, run.branches, run.part
        if kind not in costs:
            costs[kind] = model.of(run, canvas.size)
        times = _times(run, canvas)
        what = f"{run.what}, if in doubt" if run.doubtful and not run.network.startswith("vae") else run.what
        counted[what] = counted.get(what, (0, 0.0))[0] + times, costs[kind].flop
        largest = max(largest, costs[kind].bytes)
    return [(what, times, each) for what, (times, each) in counted.items()], largest


def _times(run: Work, canvas: Canvas) -> int:
    """How often a network runs: the VAE on each frame, the UNet on each window, and to learn, on one."""
    if run.network.startswith("vae"):
        return run.times * canvas.frames
    return run.times if run.network == "learning" else round(run.times * canvas.seen / canvas.at_once)


PROCESS, FRAMES, PASSING = "the program itself", "frames", "reading and writing"
ON_MACHINE = PROCESS, FRAMES, PASSING
"""Of the memory, what does not lie on a GPU."""


def _memory(stages: Sequence[Stage[Any]], model: NetworkCost, activations: float, canvas: Canvas) -> dict[str, float]:
    """Bytes that a job holds at most, by what they are for."""
    frames, size, own = canvas.frames, canvas.size, canvas.own
    positions = (size[0] // model.vae_scale_factor) * (size[1] // model.vae_scale_factor)
    # Either the network runs on all frames, or frames of the clip's own size are read or written, a few at a time.
    passing = own[0] * own[1] * (OWN_SIZE + QUEUED * min(frames, QUEUE))
    ways = [each.start.steps + 1 for each in stages if isinstance(each, Denoise | Reconstruct) and each.start.latents]
    parts = {
        PROCESS: held_memory() + WARM,
        "weights": model.weights(),
        "activations, at most": activations,
        "optimizer": model.tuned() * 4 * ADAM if model.tuning else 0.0,
        "inversion": max(ways, default=0) * frames * 4.0 * positions * 4,
        FRAMES: FRAMES_HELD * frames * size[0] * size[1] * FRAME,
        PASSING: max(0.0, passing - activations),
    }
    # While weights are read, the file of the largest network lies in memory beside them.
    besides = sum(parts.values()) - parts[PROCESS] - parts["weights"]
    return parts | {"loading": max(0.0, model.loading() - besides)}


def _flop(count: float) -> str:
    return f"{count / 1e12:,.3f} TFLOP" if count >= 1e11 else f"{count / 1e9:.3f} GFLOP"
