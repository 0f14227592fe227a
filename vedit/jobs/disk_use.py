"""What a job writes on disks: results that are kept, files while it works, and its own result."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vedit.config import Settings
from vedit.graph import Plan, Stage, Store
from vedit.jobs.resources import Canvas
from vedit.machine.disk import DiskUse
from vedit.mapped import lies_in_file, scratch_folder

WORKING = "while it works"
"""What files without a name are called."""

WRITTEN = {"": 2.0, ".gif": 1.0, ".webp": 1.0}
"""Bytes for each pixel of a result as a folder of pictures, and as an animation."""

VIDEO = 0.25
"""Bytes for each pixel of a video, at the best quality that is usual."""


def disk_uses(config: Settings, planned: Plan, canvas: Canvas, cell: int, store: Store | None) -> Iterator[DiskUse]:
    """What making a plan writes, about, at its most.

    Args:
        config: of the job
        canvas: the frames
        cell: pixels of a side for each of the latents
        store: where results are kept; None where none are
    """
    kept = 0 if store is None else room_of(planned, canvas, cell)
    if store is not None and kept:
        way_out = "VEDIT_CACHE names another folder for what is kept, and --no-cache keeps nothing"
        yield DiskUse("kept for the next time", store.folder, store.growth(kept), way_out)
    if working := _scratch(planned, canvas, cell, store):
        yield DiskUse(WORKING, Path(scratch_folder()), working, "TMPDIR names another folder to work in")
    output = getattr(config, "output", None)
    if output is not None:
        pixels = canvas.frames * canvas.own[0] * canvas.own[1]
        yield DiskUse("the result", output.parent, pixels * WRITTEN.get(output.suffix.lower(), VIDEO))


def room_of(planned: Plan, canvas: Canvas, cell: int) -> int:
    """Bytes of what is kept of the results of a plan, those among them that are there already left out; and of the
    state of the largest that is saved while it is made."""
    kept = [_room(each, canvas, cell) for each in planned.to_make if each.kept]
    resuming = [each for each in planned.to_make if each.kept and each.resumes]
    states = [each.state(canvas.frames, canvas.whole_size, cell) for each in resuming]
    return sum(kept) + max(states, default=0)


def _scratch(planned: Plan, canvas: Canvas, cell: int, store: Store | None) -> int:
    """Bytes of files without a name: what stages hold beside their results, and results where none are kept; of those
    that are, the largest lies there too until it is."""
    stages = (*planned.to_make, *planned.there)
    beside = sum(_in_file(each.scratch(canvas.frames, canvas.whole_size, cell)) for each in stages)
    results = [_in_file(_room(each, canvas, cell)) for each in planned.to_make]
    return beside + (sum(results) if store is None else max(results, default=0))


def _room(stage: Stage[Any], canvas: Canvas, cell: int) -> int:
    return stage.room(canvas.frames, canvas.whole_size, cell)


def _in_file(size: int) -> int:
    return size if lies_in_file(size) else 0
