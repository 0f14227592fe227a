"""Making the jobs of a batch here, one after the other. One that fails stops no other."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock, Timeout

from vedit.batches.folder import LOCK
from vedit.batches.make import make_job, reason_of
from vedit.batches.outcome import Outcome
from vedit.batches.plan import PlannedJob
from vedit.batches.status import Status
from vedit.errors import ConfigError, MediaError
from vedit.graph import Stage
from vedit.session import Session


class Watcher(Protocol):
    """Who is told how a batch goes."""

    def progress(self, stage: str, done: int, total: int) -> None:
        """How far a stage is."""

    def begin(self, job: PlannedJob) -> None:
        """A job begins."""

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


def check_alone(folder: Path) -> None:
    """Raise ConfigError where a batch works in this folder."""
    if (folder / LOCK).exists():
        with alone_in(folder):
            return


class Maker(Protocol):
    """What makes jobs: ``run_jobs`` with a session, or ``run_on_cluster`` with a connection."""

    def __call__(
        self, jobs: Sequence[PlannedJob], folder: Path, status: Status, watcher: Watcher, *, overwrite: bool
    ) -> dict[str, Outcome]:
        """How each of the jobs ended, by their names."""


def run_jobs(
    jobs: Sequence[PlannedJob],
    folder: Path,
    status: Status,
    watcher: Watcher,
    session: Session,
    *,
    overwrite: bool = False,
) -> dict[str, Outcome]:
    """Make the jobs in this order; how each ended, by their names.

    Args:
        folder: the batch's, which each output lies in
        status: told of each event
        watcher: shown it
        session: its models stay loaded from job to job
        overwrite: whether files may be replaced that this batch did not make
    """
    session.progress = watcher.progress
    outcomes: dict[str, Outcome] = {}
    for job in jobs:
        begun = time.perf_counter()
        watcher.begin(job)
        status.started(job)
        made = partial(_tell, status, job)
        try:
            # What an earlier run of this batch began is gone on with.
            files = make_job(job, folder, session, made, overwrite=overwrite or job.own_files)
        except Exception as error:  # whatever it is, the others go on; a fault of vedit's own is told as one
            outcome = Outcome(reason=reason_of(error), seconds=time.perf_counter() - begun)
            status.failed(job, outcome, type(error).__name__)
            gc.collect()  # what the traceback held, such as the frames of a clip
        except BaseException:
            status.add("interrupted", job=job.job.name, key=job.key)
            raise
        else:
            outcome = Outcome(files, seconds=time.perf_counter() - begun)
            status.done(job, outcome, folder)
        outcomes[job.job.name] = outcome
        watcher.end(job, outcome)
    return outcomes


def _tell(status: Status, job: PlannedJob, stage: Stage[Any], seconds: float) -> None:
    if stage.title:
        status.made(job, stage.title, stage.key, seconds)
