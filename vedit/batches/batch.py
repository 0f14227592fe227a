"""A batch that is run: what is not there yet is made, and told on its page."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from vedit.batches import page
from vedit.batches import previews as previewing
from vedit.batches.cluster import Cluster, connected
from vedit.batches.driver import run_on_cluster
from vedit.batches.folder import PAGE, STATUS
from vedit.batches.outcome import Outcome
from vedit.batches.plan import PlannedJob
from vedit.batches.prepare import Batch, chosen, open_batch
from vedit.batches.run import Maker, alone_in, run_jobs
from vedit.batches.status import Status
from vedit.batches.view import View
from vedit.config.faults import in_one_line
from vedit.config.merge import Layer
from vedit.errors import ConfigError
from vedit.session import Session


@dataclass(frozen=True)
class BatchResult:
    """How a batch stands after a run.

    Attributes:
        folder: of the outputs, of ``index.html`` and of ``status.jsonl``
        done: names of the jobs whose outputs are there
        failed: why each of the others failed, by their names
        left: names of those that have not been tried
    """

    folder: Path
    done: tuple[str, ...]
    failed: dict[str, str] = field(default_factory=dict)
    left: tuple[str, ...] = ()

    @property
    def page(self) -> Path:
        return self.folder / PAGE


def batch(
    jobs: str | Path,
    output: str | Path | None = None,
    *,
    only: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    retry_failed: bool = False,
    overwrite: bool = False,
    previews: bool = False,
    ray: str | None = None,
    gpus_per_job: float = 0.0,
    workers: int | None = None,
    said: bool = False,
) -> BatchResult:
    """Make what is not there yet of a file of jobs, as ``vedit batch`` does.

    Args:
        jobs: .yaml, .csv, .jsonl, or a folder of sidecars
        output: the folder of the outputs; by default one here that is named like the file
        only: names of jobs, in which * stands for anything; the others are left as they are
        settings: of all jobs, over those of the file
        retry_failed: whether those that failed in an earlier run are tried again
        overwrite: whether files may be replaced that the batch did not make
        previews: whether quick looks at all of them are made first
        ray: None for this process; "local", "auto" or the address of a Ray cluster
        gpus_per_job: GPUs that each job has to itself, on a cluster
        workers: jobs at a time, on a local cluster
        said: whether progress is shown on stderr

    Raises:
        ConfigError: for all that is wrong with the file; nothing is made then
        MediaError: where the folder cannot be written into
        DeviceError: where the cluster cannot be used
    """
    changed = Layer(dict(settings or {}))
    opened = open_batch(Path(jobs), None if output is None else Path(output), changed, overwrite=overwrite)
    if opened.faults:
        raise ConfigError(in_one_line(list(opened.faults)))
    cluster = None if ray is None else Cluster(ray, gpus_per_job, workers)
    return run_batch(
        opened, only=only, retry_failed=retry_failed, overwrite=overwrite, cluster=cluster, previews=previews, said=said
    )


def run_batch(
    batch: Batch,
    *,
    only: Sequence[str] = (),
    retry_failed: bool = False,
    overwrite: bool = False,
    cluster: Cluster | None = None,
    previews: bool = False,
    said: bool = True,
) -> BatchResult:
    """Make what is not there yet of a batch that has no faults.

    Args:
        only: patterns of the names of jobs; the others are left as they are
        retry_failed: whether those that failed before are tried again
        overwrite: whether files may be replaced that this batch did not make
        cluster: where they are made; None for this process
        previews: whether quick looks at all of them are made first
        said: whether progress is shown on stderr

    Raises:
        ConfigError: where another batch works in the folder
        DeviceError: where the cluster cannot be used
    """
    jobs = chosen(batch, only)
    todo = _todo(jobs, retry_failed)
    batch.folder.mkdir(parents=True, exist_ok=True)
    with alone_in(batch.folder), _maker(cluster) as maker:
        if previews:
            # By this the page is known as the batch's, should it be killed before the first of the jobs begins.
            Status(batch.folder / STATUS).add("previews", jobs=len(todo))
            _make_previews(todo, batch, maker, said)
        outcomes = _made(todo, batch, batch.folder, maker, overwrite=overwrite, said=said)
    return _result(batch, outcomes)


@contextmanager
def _maker(cluster: Cluster | None) -> Iterator[Maker]:
    """What makes jobs within the block: previews and the real thing, with the same models loaded or on one cluster."""
    if cluster is None:
        yield partial(run_jobs, session=Session())
    else:
        with connected(cluster) as connection:
            yield partial(run_on_cluster, connection=connection)


def _todo(jobs: Sequence[PlannedJob], retry_failed: bool) -> list[PlannedJob]:
    """Those that are not done; those that failed before only where they are to be tried again."""
    return [job for job in jobs if not job.done and (retry_failed or not job.failed)]


def _make_previews(todo: Sequence[PlannedJob], batch: Batch, maker: Maker, said: bool) -> None:
    """Make what is not there yet of the previews. One that fails is told in its folder's status; the job itself tells
    why, or does better."""
    past = {folder: Status(folder / STATUS).past() for folder in previewing.folders(batch.folder)}
    for each in previewing.rounds(todo, batch.folder, past):
        each.folder.mkdir(parents=True, exist_ok=True)
        if said and each.jobs:
            print(f"previews: {each.name}", file=sys.stderr)
        _made(_todo(each.jobs, False), batch, each.folder, maker, overwrite=False, said=said)


def _made(
    jobs: Sequence[PlannedJob], batch: Batch, folder: Path, maker: Maker, *, overwrite: bool, said: bool
) -> dict[str, Outcome]:
    """Make jobs whose outputs lie in a folder; the page of the batch shows each as soon as it is there."""
    status = Status(folder / STATUS)
    status.add("begun", jobs=len(jobs))
    with View(jobs, folder, said=said) as view:
        watcher = _PageWatcher(view, batch, real=folder == batch.folder)
        outcomes = maker(jobs, folder, status, watcher, overwrite=overwrite)
    watcher.write()
    status.add("ended", failed=sum(1 for each in outcomes.values() if each.reason))
    return outcomes


class _PageWatcher:
    """Shows a view how a batch goes, and writes its page anew after each job.

    Args:
        real: whether the jobs are the batch's own, and not previews of them
    """

    def __init__(self, view: View, batch: Batch, *, real: bool) -> None:
        self._view, self._batch, self._real = view, batch, real
        self._outcomes: dict[str, Outcome] = {}

    def progress(self, stage: str, done: int, total: int) -> None:
        self._view.progress(stage, done, total)

    def begin(self, job: PlannedJob) -> None:
        self._view.begin(job)

    def end(self, job: PlannedJob, outcome: Outcome) -> None:
        if self._real:
            self._outcomes[job.job.name] = outcome
        self.write()
        self._view.end(job, outcome)

    def write(self) -> None:
        """The page, as the batch stands."""
        page.write(self._batch.folder, self._batch.folder.name, self._batch.jobs, self._outcomes)


def _result(batch: Batch, outcomes: dict[str, Outcome]) -> BatchResult:
    done, left, failed = list[str](), list[str](), dict[str, str]()
    for job in batch.jobs:
        name = job.job.name
        outcome = outcomes.get(name)
        if outcome is not None and outcome.reason:
            failed[name] = outcome.reason
        elif outcome is not None or job.done:
            done.append(name)
        elif job.failed and job.past is not None:
            failed[name] = str(job.past.event.get("reason", ""))
        else:
            left.append(name)
    return BatchResult(batch.folder, tuple(done), failed, tuple(left))
