"""Making one job of a batch, or one stage that several of them share, in whatever process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from vedit.atomic import clear_left_over
from vedit.batches import page
from vedit.batches.plan import PlannedJob, goal_of
from vedit.clip.reading import open_clip
from vedit.clip.writing import OUTPUTS
from vedit.errors import MediaError, VeditError, one_line
from vedit.graph import Run, Stage, plan
from vedit.jobs import base, entry_of
from vedit.jobs.base import Given, result_store
from vedit.session import Session
from vedit.warning_filters import filtered

Made = Callable[[Stage[Any], float], None]
"""Told of each stage that is made, and the seconds it took."""


def make_job(planned: PlannedJob, folder: Path, session: Session, made: Made, *, overwrite: bool) -> tuple[Path, ...]:
    """The files of a job, made and decoded again, the main output first.

    Args:
        folder: the batch's
        overwrite: whether files that are there may be replaced

    Raises:
        VeditError: for all that a user can mend
    """
    if planned.fault is not None:
        raise planned.fault
    job = planned.job
    for parent in dict.fromkeys(file.parent for file in job.files):
        parent.mkdir(parents=True, exist_ok=True)
        clear_left_over(parent)
    work = entry_of(job.config).load()
    config = work.checked(job.config.model_copy(update={"overwrite": overwrite}))
    base.run(work, config, Given(made_with=job.made_with), session=session, made=made)
    last = check_video(job.output, planned.frames)
    if last is not None:
        page.save_picture(last, folder, job)
        page.copy_source(folder, job)
    return job.files


def make_stage(planned: PlannedJob, folder: Path, key: str, session: Session, made: Made) -> None:
    """Make the stage of a job that has this key, and put it where results are kept.

    Raises VeditError.
    """
    goal = goal_of(planned.job, folder, session)
    stage = next(each for each in plan(goal.stage).to_make if each.key == key)
    Run(session, result_store(planned.job.config), made)(stage)


def check_video(path: Path, frames: int | None) -> Tensor | None:
    """Decode all of a video that was written; its last frame (3, H, W), or None for a file of another kind.

    Raises MediaError where it does not have so many ``frames``.
    """
    if not path.exists():
        raise MediaError(f"{path} was not written.")
    if path.suffix.lower() not in OUTPUTS and not path.is_dir():
        return None
    found, last = 0, None
    with filtered("error", UserWarning):
        for last in open_clip(path).frames:  # noqa: B007 (used after the loop)
            found += 1
    if frames is not None and found != frames:
        raise MediaError(f"{path} has {found} frames, and {frames} were asked for; it is made again by --retry-failed.")
    return last


def reason_of(error: Exception) -> str:
    """Why a job failed, in one line."""
    if isinstance(error, VeditError):
        return str(error)
    return one_line(f"a fault of vedit's own, {type(error).__name__}: {error}")
