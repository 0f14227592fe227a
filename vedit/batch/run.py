"""Making the jobs of a batch, one after the other. One that fails stops no other."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock, Timeout
from torch import Tensor

from vedit.atomic import clear_left_over
from vedit.batch import page
from vedit.batch.jobs import LOCK, BatchJob
from vedit.batch.outcome import Outcome
from vedit.batch.plan import PlannedJob
from vedit.batch.status import Status, digest_of
from vedit.clip.reading import open_clip
from vedit.clip.writing import OUTPUTS
from vedit.config.named_files import fields_written
from vedit.errors import ConfigError, MediaError, VeditError, one_line
from vedit.graph import Stage
from vedit.jobs import base, entry_of
from vedit.jobs.base import Given
from vedit.jobs.outputs import sidecar_path
from vedit.session import Session
from vedit.warning_filters import filtered


class Watcher(Protocol):
    """Who is told how a batch goes."""

    def progress(self, stage: str, done: int, total: int) -> None:
        """How far a stage is."""

    def begin(self, job: PlannedJob) -> None:
        """A job begins."""

    def made(self, job: PlannedJob, stage: Stage[Any]) -> None:
        """A stage of it was made, or found."""

    def end(self, job: PlannedJob, outcome: Outcome) -> None:
        """A job is over."""


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Within the block no other batch works in this folder. Raises ConfigError where one does."""
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise ConfigError(f"another `vedit batch` works in {folder}; wait for it, or give another --output.") from None
    except OSError as error:
        raise MediaError(f"{folder} cannot be written into: {error.strerror}; give another --output.") from error
    try:
        yield
    finally:
        (folder / LOCK).unlink(missing_ok=True)
        lock.release()


def run_jobs(
    jobs: Sequence[PlannedJob], folder: Path, status: Status, watcher: Watcher, *, overwrite: bool = False
) -> dict[str, Outcome]:
    """Make the jobs in this order; how each ended, by their names.

    Args:
        folder: the batch's, which each output lies in
        status: told of each event
        watcher: shown it
        overwrite: whether files may be replaced that this batch did not make
    """
    session = Session(watcher.progress)
    outcomes: dict[str, Outcome] = {}
    for job in jobs:
        begun = time.perf_counter()
        watcher.begin(job)
        status.add("started", job=job.job.name, key=job.key, seed=job.seed)
        try:
            files = _made(job, folder, status, session, watcher, overwrite)
        except Exception as error:  # whatever it is, the others go on; a fault of vedit's own is told as one
            outcome = Outcome(reason=reason_of(error), seconds=time.perf_counter() - begun)
            status.add("failed", job=job.job.name, key=job.key, reason=outcome.reason, fault=type(error).__name__)
            gc.collect()  # what a traceback held, such as the frames of a clip
        except BaseException:
            status.add("interrupted", job=job.job.name, key=job.key)
            raise
        else:
            outcome = Outcome(files, seconds=time.perf_counter() - begun)
            status.add(
                "done", job=job.job.name, key=job.key, seed=job.seed, frames=job.frames,
                seconds=round(outcome.seconds, 2), files={_name(file, folder): digest_of(file) for file in files},
            )  # fmt: skip
        outcomes[job.job.name] = outcome
        watcher.end(job, outcome)
    return outcomes


def reason_of(error: Exception) -> str:
    """Why a job failed, in one line."""
    if isinstance(error, VeditError):
        return str(error)
    return one_line(f"a fault of vedit's own, {type(error).__name__}: {error}")


def _made(
    job: PlannedJob, folder: Path, status: Status, session: Session, watcher: Watcher, overwrite: bool
) -> tuple[Path, ...]:
    """The files of a job, made and looked at."""
    if job.fault is not None:
        raise job.fault
    ours = job.past is not None  # what an earlier run of this batch began is gone on with
    config = job.job.config.model_copy(update={"overwrite": overwrite or ours})
    job.job.output.parent.mkdir(parents=True, exist_ok=True)
    clear_left_over(job.job.output.parent)
    entry = entry_of(config)
    work = entry.load()
    config = work.checked(config)

    def made(stage: Stage[Any], seconds: float) -> None:
        if stage.title:
            told = {"stage": stage.title, "key": stage.key, "seconds": round(seconds, 2)}
            status.add("made", job=job.job.name, **told)
        watcher.made(job, stage)

    base.run(work, config, Given(made_with=job.job.made_with), session=session, made=made)
    files = files_of(job.job)
    last = check_video(files[0], job.frames)
    if last is not None:
        page.save_picture(last, folder, job.job)
        page.copy_source(folder, job.job)
    return files


def files_of(job: BatchJob) -> tuple[Path, ...]:
    """The files that a job writes, the main output first."""
    beside = [sidecar_path(job.output)] if entry_of(job.config).again else []
    others = [getattr(job.config, name) for name in fields_written(type(job.config)) if name != "output"]
    return (job.output, *beside, *(Path(path) for path in others if path))


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


def _name(file: Path, folder: Path) -> str:
    return file.relative_to(folder).as_posix()
