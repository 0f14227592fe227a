"""The page of a batch: ``index.html`` beside its outputs, a table of clips and looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image
from torch import Tensor

from vedit.atomic import whole_file
from vedit.batches import previews
from vedit.batches.configs import BatchJob
from vedit.batches.folder import PAGE, PICTURES
from vedit.batches.names import clean
from vedit.batches.outcome import Outcome
from vedit.batches.plan import PlannedJob
from vedit.clip.arrays import to_bytes
from vedit.clip.reading import open_clip
from vedit.clip.writing import write_clip
from vedit.errors import VeditError, VeditWarning
from vedit.jobs.resources import format_duration
from vedit.report.page import Cell, Source, write_page
from vedit.warning_filters import filtered

SOURCE_SIDE, SOURCE_FRAMES = 192, 96
"""Pixels of the longer side of a source's copy, and how many of its frames it has at most."""

SHOWN = ("prompt", "source_prompt", "seed")
"""Settings that are told of each job, beside those that vary."""


def write(folder: Path, title: str, jobs: Sequence[PlannedJob], outcomes: Mapping[str, Outcome]) -> None:
    """Write the page of a batch as it stands. Raises MediaError."""
    cells = [_cell(folder, job, outcomes.get(job.job.name)) for job in jobs]
    rows = {_row(job.job): job.job for job in jobs if hasattr(job.job.config, "clip")}
    sources = [Source(name, _copy_of(folder, name)) for name in rows]
    write_page(folder / PAGE, title, cells, sources, overwrite=True)


def picture_of(folder: Path, job: BatchJob) -> Path:
    """Where the last frame of a job's result is, beside small copies of the sources."""
    return folder / PICTURES / f"{clean(job.name)}.png"


def save_picture(frame: Tensor, folder: Path, job: BatchJob) -> None:
    """Write the last frame (3, H, W) of a job's result for the page. Raises MediaError."""
    path = picture_of(folder, job)
    path.parent.mkdir(exist_ok=True)
    with whole_file(path, overwrite=True) as beside:
        Image.fromarray(to_bytes(frame)).save(beside, "PNG")


def copy_source(folder: Path, job: BatchJob) -> None:
    """Write a small silent copy of a job's source for the page, where it has one and there is none yet. What cannot be
    read is not shown: the job itself tells why."""
    clip = getattr(job.config, "clip", None)
    target = folder / _copy_path(_row(job))
    if clip is None or target.exists():
        return
    try:
        with filtered("ignore", VeditWarning):
            whole = open_clip(clip, size=SOURCE_SIDE)
            start, stride = getattr(job.config, "start", 0), getattr(job.config, "stride", 1)
            count = min(getattr(job.config, "frames", None) or SOURCE_FRAMES, SOURCE_FRAMES)
            left = max(0, (len(whole) - start + stride - 1) // stride)
            taken = open_clip(clip, size=SOURCE_SIDE, frames=min(count, left), start=start, stride=stride)
            target.parent.mkdir(exist_ok=True)
            write_clip(target, taken.frames, taken.rate, None, None, crf=23, codec="libx264", overwrite=True)
    except VeditError:
        return


def _cell(folder: Path, job: PlannedJob, outcome: Outcome | None) -> Cell:
    reason = outcome.reason if outcome else str(job.past.event.get("reason", "")) if job.failed and job.past else ""
    there = (outcome is not None and not outcome.reason) or (outcome is None and job.done)
    seconds = outcome.seconds if outcome else job.past.event.get("seconds") if job.past and there else None
    names = [name for name in dict.fromkeys((*job.job.varying, *SHOWN)) if hasattr(job.job.config, name)]
    told = [(name.replace("_", " "), _told(getattr(job.job.config, name))) for name in names if name != "clip"]
    lines = [(name, value) for name, value in told if value]
    if job.seed is not None:
        lines = [(name, str(job.seed) if name == "seed" else value) for name, value in lines]
    if isinstance(seconds, (int, float)) and there:
        lines.append(("time", format_duration(seconds)))
    picture, output = picture_of(folder, job.job), job.job.output
    shown = output if there else _preview_of(folder, job.job)
    media = next(iter(sorted(shown.glob("*.png"))), None) if shown and shown.is_dir() else shown
    if shown and not there:
        lines.append(("shown", "a preview"))
    return Cell(
        _row(job.job), _column(job.job), job.job.name, lines,
        PurePosixPath(media.relative_to(folder).as_posix()) if media else None,
        PurePosixPath(picture.relative_to(folder).as_posix()) if picture.exists() else None, there, reason,
    )  # fmt: skip


def _preview_of(folder: Path, job: BatchJob) -> Path | None:
    """The most telling preview that is there."""
    found = (where / job.output.relative_to(folder) for where in previews.folders(folder))
    return next((path for path in found if path.exists()), None)


def _row(job: BatchJob) -> str:
    clip = getattr(job.config, "clip", None)
    return job.names.get("clip", "" if clip is None else Path(clip).stem)


def _column(job: BatchJob) -> str:
    """What tells a job from the others of its clip."""
    varying = [name for name in job.varying if name != "clip"]
    values = [job.names.get(name) or _told(getattr(job.config, name, "")) for name in varying]
    return ", ".join(values) or _told(getattr(job.config, "prompt", "")) or job.name


def _copy_path(row: str) -> PurePosixPath:
    return PurePosixPath(PICTURES, f"source-{clean(row)}.mp4")


def _copy_of(folder: Path, row: str) -> PurePosixPath | None:
    path = _copy_path(row)
    return path if (folder / path).exists() else None


def _told(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return ", ".join(_told(each) for each in value)
    if isinstance(value, Path):
        return value.name
    return "" if value is None else str(value)
