"""The cost of a job, estimated without running it: its time, its memory, and what they are made of."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from vedit.clip.sizes import Size
from vedit.config import Settings
from vedit.config.speed import told
from vedit.graph import plan
from vedit.jobs.base import Given, Job, result_store
from vedit.jobs.cost import cost_of, memories
from vedit.jobs.resources import Canvas, check_disks, check_fits, format_bytes, format_duration
from vedit.machine.disk import Disk
from vedit.session import Session

Rows = list[list[str]]


def estimate(job: Job[Any, Any], config: Settings) -> Iterator[tuple[str, Rows]]:
    """Tables of what a job would cost in all, the settled settings, the work, what is kept of it from earlier jobs, the
    memory, and the disk: title, rows.

    Loads no weights. Motion modules, LoRAs and third parties' conditioners are not counted. Raises MediaError and
    WeightsError as the job itself would; and DeviceError, after the tables, where it cannot fit into the memory, or on
    the disk.
    """
    goal = job.goal(config, Session(fetches=False), Given())
    store = result_store(config)
    planned = plan(goal.stage, store=store)
    cost = cost_of(goal, planned, store)
    canvas, outline = cost.canvas, cost.outline
    needed = memories(cost.memory, outline.device)
    seconds = cost.seconds + time.process_time()
    rooms = [*([each.name, str(each)] for each in needed), *(["disk", _disk(each)] for each in cost.disks)]
    yield "in all, about", [["time", format_duration(seconds)], *rooms]
    if meaning := told(config):
        name, _, values = meaning.partition(": ")
        yield name, [each.split(" ", 1) for each in values.split(", ")]
    yield "settings", [[name, str(value)] for name, value in goal.settings.model_dump(mode="json").items()]
    yield "clip", _clip(canvas, outline.vae_scale_factor)
    rows = [[name, f"{times} x {_flop(each)}"] for name, times, each in cost.work]
    yield "work", [*rows, ["in all", _flop(cost.flop)]]
    if there := dict.fromkeys(stage.title for stage in planned.there):
        yield "kept from earlier, not made again", [[title, "there"] for title in there]
    parts = [*cost.memory.items(), ("in all", sum(cost.memory.values()))]
    yield "memory, about", [[name, format_bytes(count)] for name, count in parts if count]
    uses = [use for each in cost.disks for use in each.uses]
    yield "disk, about", [[use.what, f"{format_bytes(use.size)} in {use.folder.absolute()}"] for use in uses]
    for memory in needed:
        check_fits(memory.need - memory.held, memory.free, goal.shorten)
    check_disks(cost.disks, goal.shorten)


def _disk(disk: Disk) -> str:
    return format_bytes(disk.need) + ("" if disk.free is None else f", and {format_bytes(disk.free)} are free")


def _clip(canvas: Canvas, cell: int) -> Rows:
    """``cell``: pixels for each of the latents."""
    height, width = canvas.whole_size
    if canvas.whole is None:
        told = [["frames", str(canvas.frames)], ["size", _across(canvas.whole_size)]]
    else:
        own = f"{_across(canvas.own)}, worked on at {_across(canvas.whole_size)}"
        told = [["frames", f"{canvas.frames} of {canvas.whole}"], ["size", own]]
    if windows := canvas.windows:
        told.append(["windows", f"of {windows.size} frames, {windows.overlap} of them shared"])
    elif canvas.at_once < canvas.frames:
        told.append(["seen at once", f"{canvas.at_once} frames"])
    return [*told, ["latents", f"{width // cell}x{height // cell}"]]


def _across(size: Size) -> str:
    return f"{size[1]}x{size[0]}"


def _flop(count: float) -> str:
    return f"{count / 1e12:,.3f} TFLOP" if count >= 1e11 else f"{count / 1e9:.3f} GFLOP"
