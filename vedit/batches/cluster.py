"""Making the jobs of a batch on a Ray cluster: one on this machine, or one that is there.

Stages that several jobs share are tasks of their own, each made once; a job is a task that waits for those it needs.
Results travel through the store and the outputs' folder, which lie where every worker sees them, so that a task that is
lost with its worker is simply made again, and what it had kept is found.
"""

from __future__ import annotations

import importlib
import os
import secrets
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from vedit.atomic import clear_left_over, hidden_name
from vedit.batches.make import make_job, make_stage, reason_of
from vedit.batches.outcome import Outcome
from vedit.batches.plan import PlannedJob, to_make
from vedit.batches.run import Watcher
from vedit.batches.status import Status
from vedit.config import cache_folder
from vedit.errors import DeviceError
from vedit.jobs import entry_of
from vedit.session import Session

MOST_LOSSES = 5
"""Workers that a task may take down with it before it counts as what kills them."""

MOST_FALSE_STARTS = 50
"""Workers that may be lost before they begin a task, which is not to blame: as long as one starts, others may end."""

AHEAD = 2
"""Tasks for each worker that are handed over at a time."""


@dataclass(frozen=True)
class Cluster:
    """Where the jobs are made.

    Attributes:
        address: "local" for one that is started here and ends with the batch; "auto" for one that runs on this machine;
            else that of one
        gpus_per_job: how many each task has to itself; 0.5 lets two share one
        workers: tasks at a time on a local cluster; None for as many as there are GPUs, or as fit the CPUs
    """

    address: str
    gpus_per_job: float = 0.0
    workers: int | None = None


@dataclass(frozen=True)
class Surroundings:
    """What a worker needs to work as this process would."""

    working_folder: str
    cache: str
    threads: int

    @classmethod
    def here(cls) -> Surroundings:
        return cls(str(Path.cwd()), str(cache_folder().absolute()), torch.get_num_threads())

    def enter(self) -> None:
        """Work so from now on."""
        os.chdir(self.working_folder)
        os.environ["VEDIT_CACHE"] = self.cache
        if torch.get_num_threads() != self.threads:  # sums depend on how many share them
            torch.set_num_threads(self.threads)


@dataclass
class _Task:
    """A job, or a stage that it shares with others.

    Attributes:
        stage: the key of the stage; empty for the job itself
        waits: keys of the stages that have to be there first
        losses: workers that were lost while they made it
        false_starts: workers that were lost before they began it
        sign: a file by which a worker tells that it has begun
    """

    job: PlannedJob
    stage: str = ""
    waits: set[str] = field(default_factory=set)
    losses: int = 0
    false_starts: int = 0
    begun: bool = False
    sign: Path = Path()


@dataclass(frozen=True)
class _Answer:
    """What a task told: the stages that it made (title, key, seconds), its files, or why it failed; and its seconds."""

    made: tuple[tuple[str, str, float], ...]
    files: tuple[Path, ...] = ()
    reason: str = ""
    fault: str = ""
    seconds: float = 0.0


def run_on_cluster(
    jobs: Sequence[PlannedJob],
    folder: Path,
    status: Status,
    watcher: Watcher,
    cluster: Cluster,
    *,
    overwrite: bool = False,
) -> dict[str, Outcome]:
    """As ``run_jobs``, on a cluster.

    Raises DeviceError where Ray is not installed, or the cluster cannot be reached.
    """
    with _connected(cluster) as (library, workers):
        return _Driver(library, workers, jobs, folder, status, watcher, cluster, overwrite).run()


class _Driver:
    """Hands tasks over as soon as what they wait for is there, and takes what comes back."""

    def __init__(
        self,
        library: Any,
        workers: int,
        jobs: Sequence[PlannedJob],
        folder: Path,
        status: Status,
        watcher: Watcher,
        cluster: Cluster,
        overwrite: bool,
    ) -> None:
        self._ray, self._most = library, AHEAD * workers
        self._folder, self._status, self._watcher, self._overwrite = folder, status, watcher, overwrite
        self._waiting = _tasks(jobs)
        self._running: dict[Any, _Task] = {}
        self._there: set[str] = set()
        self._failed: dict[str, _Answer] = {}  # stages, by their keys
        self._outcomes: dict[str, Outcome] = {}
        self._remote = library.remote(num_cpus=1, num_gpus=cluster.gpus_per_job, max_retries=0)(_work)
        self._surroundings = Surroundings.here()

    def run(self) -> dict[str, Outcome]:
        try:
            while self._waiting or self._running:
                self._hand_over()
                ready, _ = self._ray.wait(list(self._running), num_returns=1, timeout=1.0)
                for reference in ready:
                    self._take(reference, self._running.pop(reference))
        except BaseException:
            for task in self._running.values():
                task.sign.unlink(missing_ok=True)
                self._status.add("interrupted", job=task.job.job.name, key=task.job.key)
            raise
        return self._outcomes

    def _hand_over(self) -> None:
        for task in list(self._waiting):
            if len(self._running) >= self._most:
                return
            spoilt = next((self._failed[key] for key in task.waits if key in self._failed), None)
            if spoilt is not None:
                self._waiting.remove(task)
                self._fail(task, spoilt)
            elif task.waits <= self._there:
                self._waiting.remove(task)
                self._begin(task)

    def _begin(self, task: _Task) -> None:
        if not task.begun:
            task.begun = True
            if not task.stage:
                self._watcher.begin(task.job)
                self._status.started(task.job)
        # A worker that was lost may have written the output before it could tell.
        overwrite = self._overwrite or task.job.past is not None or task.losses > 0
        task.sign = hidden_name(self._folder)
        given = task.job, self._folder, task.stage, overwrite, self._surroundings, task.sign
        self._running[self._remote.remote(*given)] = task

    def _take(self, reference: Any, task: _Task) -> None:
        try:
            answer: _Answer = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            if not self._lost(task):
                self._waiting.insert(0, task)
                return
            lost = task.losses + task.false_starts
            reason = f"{lost} workers were lost while they made it; the last: {_first_line(error)}"
            answer = _Answer((), reason=reason, fault=type(error).__name__)
        finally:
            task.sign.unlink(missing_ok=True)
        for title, key, seconds in answer.made:
            self._status.made(task.job, title, key, seconds)
        if answer.reason:
            self._fail(task, answer)
        elif task.stage:
            self._there.add(task.stage)
        else:
            outcome = Outcome(answer.files, seconds=answer.seconds)
            self._status.done(task.job, outcome, self._folder)
            self._end(task, outcome)

    def _lost(self, task: _Task) -> bool:
        """Take down that a worker was lost; whether the task counts as what kills them."""
        begun = task.sign.exists()
        task.losses += begun
        task.false_starts += not begun
        self._status.add("lost", job=task.job.job.name, stage=task.stage, begun=begun, losses=task.losses)
        return task.losses > MOST_LOSSES or task.false_starts > MOST_FALSE_STARTS

    def _fail(self, task: _Task, answer: _Answer) -> None:
        if task.stage:
            self._failed[task.stage] = answer
            return
        if not task.begun:
            self._watcher.begin(task.job)
            self._status.started(task.job)
        outcome = Outcome(reason=answer.reason, seconds=answer.seconds)
        self._status.failed(task.job, outcome, answer.fault)
        self._end(task, outcome)

    def _end(self, task: _Task, outcome: Outcome) -> None:
        clear_left_over(task.job.job.output.parent)
        self._outcomes[task.job.job.name] = outcome
        self._watcher.end(task.job, outcome)


def _tasks(jobs: Sequence[PlannedJob]) -> list[_Task]:
    """A task for each stage that several jobs share and that is not there yet, and one for each job.

    Each waits for the shared stages that it is made of, and for no others: where one of those fails, so does it.
    """
    stages = {job.job.name: {stage.key: stage for stage in job.stages} for job in jobs}
    needed = {job.job.name: to_make(stages[job.job.name], *(stage.key for stage in job.stages[-1:])) for job in jobs}
    users = Counter(key for name, keys in needed.items() for key in keys if stages[name][key].kept)
    tasks, known = list[_Task](), set[str]()
    for job in jobs:
        own = stages[job.job.name]
        shared = [key for key in own if key in needed[job.job.name] and users[key] > 1]
        for key in shared:
            if key not in known:
                tasks.append(_Task(job, key, {each for each in to_make(own, *own[key].needs) if users[each] > 1}))
        known |= {*shared}
        tasks.append(_Task(job, waits={*shared}))
    return tasks


# In a worker

_session: Session | None = None
"""Of this worker: models stay loaded from task to task."""


def _work(
    job: PlannedJob, folder: Path, stage: str, overwrite: bool, surroundings: Surroundings, sign: Path
) -> _Answer:
    """What a task does. A fault is an answer: the same input would fail again, and is not tried again.

    Args:
        sign: a file that is made when the work begins, after all that a new worker takes seconds to import
    """
    global _session
    surroundings.enter()
    _session = _session or Session()
    made: list[tuple[str, str, float]] = []
    begun = time.perf_counter()

    def answer(**told: Any) -> _Answer:
        return _Answer(tuple(made), seconds=time.perf_counter() - begun, **told)

    def tell(done: Any, seconds: float) -> None:
        if done.title:
            made.append((done.title, done.key, seconds))

    try:
        entry_of(job.job.config).load()
        importlib.import_module("vedit.adapters.loading")
        sign.touch()
        if stage:
            make_stage(job, folder, stage, _session, tell)
            return answer()
        return answer(files=make_job(job, folder, _session, tell, overwrite=overwrite))
    except Exception as error:  # as in a plain run: whatever it is, the others go on
        return answer(reason=reason_of(error), fault=type(error).__name__)


# Ray


@contextmanager
def _connected(cluster: Cluster) -> Iterator[tuple[Any, int]]:
    """Ray, and how many tasks it works on at a time. Raises DeviceError."""
    local = cluster.address == "local"
    for name, value in _environment(local).items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError as error:
        raise DeviceError("--ray needs Ray, which is not installed; pip install 'vedit[cluster]'.") from error
    # What Ray tells of workers that were lost would be printed among the results; the status tells of them.
    ray._private.worker._worker_logs_enabled = False
    try:
        with _own_sigterm():
            ray.init(**_options(cluster, local))
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise DeviceError(f"--ray {cluster.address}: the cluster cannot be used: {_first_line(error)}") from error
    try:
        there: Mapping[str, float] = ray.cluster_resources()
        if cluster.gpus_per_job and there.get("GPU", 0) < cluster.gpus_per_job:
            has = there.get("GPU", 0)
            raise DeviceError(f"--gpus-per-job {cluster.gpus_per_job:g}: the cluster has {has:g} GPUs.")
        slots = there["GPU"] / cluster.gpus_per_job if cluster.gpus_per_job else there.get("CPU", 1)
        yield ray, max(1, int(slots))
    finally:
        ray.shutdown()


@contextmanager
def _own_sigterm() -> Iterator[None]:
    """After the block a request to end (SIGTERM) is met as it was before: by Ray's own handler the process would be
    aborted, and the cluster not shut down."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if before is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _environment(local: bool) -> dict[str, str]:
    """Variables that Ray heeds, some of them only when it is imported. A cluster that is started here listens on this
    machine alone, to those who know its token."""
    common = {"RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    if not local:
        return common
    # Without other machines Ray works on the loopback address, and listens there. ``_node_ip_address`` does not do it:
    # Ray replaces a loopback address by the machine's own, and listens on all of them.
    alone = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    # Workers have the priority of this process, not one of the least, at which other work would leave them no time.
    return {**common, **alone, "RAY_worker_niceness": "0"}


def _options(cluster: Cluster, local: bool) -> dict[str, Any]:
    """The arguments of ``ray.init``."""
    common: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": False}
    if not local:
        return {"address": cluster.address, **common}
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    gpus = torch.cuda.device_count() if cluster.gpus_per_job else 0
    fitting = int(gpus / cluster.gpus_per_job) if gpus else processors // torch.get_num_threads()
    return {
        "address": "local",
        "num_cpus": cluster.workers or max(1, fitting),
        "num_gpus": gpus,
        "include_dashboard": False,
        **common,
    }


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
