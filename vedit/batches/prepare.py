"""A batch before anything is made: its file read, its jobs planned, all that is wrong found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from vedit.batches.configs import NOTHING, BatchJob, gathered, read_batch
from vedit.batches.folder import LOCK, PAGE, STATUS
from vedit.batches.plan import PlannedJob, in_order, planned
from vedit.batches.run import check_alone
from vedit.batches.status import Status
from vedit.config.merge import Layer
from vedit.config.paths import absolute
from vedit.errors import ConfigError, MediaError, VeditError
from vedit.jobs import entry_of
from vedit.progress import Progress
from vedit.session import Session


@dataclass(frozen=True)
class Batch:
    """The jobs of a file, planned.

    Attributes:
        folder: where outputs go
        jobs: in the order in which they are made
        faults: what is wrong with the file, each with its place; where there are any, nothing is made
    """

    folder: Path
    jobs: tuple[PlannedJob, ...]
    faults: tuple[str, ...]

    def all_faults(self) -> list[str]:
        """The faults, and why jobs cannot be made, which each would tell when it is its turn; a reason that several
        jobs have is told once."""
        reasons: dict[str, list[str]] = {}
        for job in self.jobs:
            if job.fault is not None:
                reasons.setdefault(str(job.fault).rstrip("."), []).append(job.job.where)
        told = [
            f"{where}: {reason}" + (f" ({len(others)} more job{'s' * (len(others) > 1)} too)" if others else "")
            for reason, (where, *others) in reasons.items()
        ]
        return gathered([*self.faults, *told])


def default_folder(path: Path) -> Path:
    """Where the outputs of a jobs file go: a folder of its name here; of a folder of sidecars, one beside it."""
    return Path(f"{absolute(path).name}-again") if path.is_dir() else Path(path.stem)


def open_batch(
    path: Path,
    folder: Path | None = None,
    changed: Layer = NOTHING,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Batch:
    """Read a jobs file and plan its jobs. Nothing is made, and no folder stays.

    Args:
        changed: settings of all jobs, over those of the file
        overwrite: whether files may be replaced that the batch did not make

    Raises:
        ConfigError: where nothing of the file can be read, or another batch works in the folder
    """
    folder = absolute(folder or default_folder(path))
    jobs, faults = read_batch(path, folder, changed)
    if faults:
        return Batch(folder, (), tuple(faults))
    past = Status(folder / STATUS).past()
    session = Session(fetches=False)
    found = []
    for number, job in enumerate(jobs, 1):
        found.append(planned(job, folder, session, past.get(job.name)))
        if progress is not None:
            progress("planning", number, len(jobs))
    with _folders(folder, jobs):
        faults = [fault for job in found for fault in _faults_of(job, overwrite)]
    if not (folder / STATUS).exists() and (folder / PAGE).exists() and not overwrite:
        faults.append(f"{folder / PAGE} exists already, and is no batch's; give another --output")
    if faults:
        check_alone(folder)  # what another batch has made since the past was read would be taken for somebody else's
    return Batch(folder, tuple(in_order(found)), tuple(gathered(faults)))


def chosen(batch: Batch, only: Sequence[str] = ()) -> list[PlannedJob]:
    """Those of the jobs that one of the patterns ``only`` means; without any, all. Raises ConfigError."""
    for pattern in only:
        if not any(_is_called(job, pattern, batch.folder) for job in batch.jobs):
            names = ", ".join(job.job.name for job in batch.jobs[:5])
            raise ConfigError(
                f"--only {pattern}: no job is called so; they are {names}{' ...' * (len(batch.jobs) > 5)}"
            )
    return [job for job in batch.jobs if not only or any(_is_called(job, each, batch.folder) for each in only)]


def _is_called(job: PlannedJob, pattern: str, folder: Path) -> bool:
    """Whether a pattern means a job: by its name, by that of its output, or by that of a folder around it."""
    output = job.job.output.relative_to(folder)
    around = [each.as_posix() for each in output.parents[:-1]]
    names = job.job.name, output.as_posix(), *around
    return any(fnmatchcase(name, pattern.removesuffix("/")) for name in names)


def _faults_of(planned_job: PlannedJob, overwrite: bool) -> Iterator[str]:
    """What shows to be wrong with a job's files before a model is opened."""
    if planned_job.done:
        return
    job = planned_job.job
    if planned_job.outdated and not overwrite:
        yield f"{job.where}: {job.output} was made with other settings; --overwrite makes it anew, or give another name"
        return
    config = job.config.model_copy(update={"overwrite": overwrite or planned_job.past is not None})
    try:
        entry_of(config).load().checked(config)
    except VeditError as fault:
        yield f"{job.where}: {str(fault).rstrip('.')}"


@contextmanager
def _folders(folder: Path, jobs: Sequence[BatchJob]) -> Iterator[None]:
    """Within the block the folders of all outputs are there; those that were not are gone afterwards, unless a batch
    that runs may have need of them by then.

    Raises MediaError where one cannot be made.
    """
    made: list[Path] = []
    try:
        for parent in dict.fromkeys(file.parent for job in jobs for file in job.files):
            for each in reversed((parent, *parent.parents)):
                if not each.exists():
                    each.mkdir()
                    made.append(each)
        yield
    except OSError as error:
        raise MediaError(f"{error.filename} cannot be made: {error.strerror}; give another --output.") from error
    finally:
        for each in reversed(made):
            with suppress(OSError):
                if not (folder / LOCK).exists():
                    each.rmdir()
