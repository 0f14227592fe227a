"""Making the jobs of a batch on a cluster: each is handed to a worker as soon as what it waits for is there.

Stages that several jobs share are tasks of their own, each made once, and so are the parts of a job that do not depend
on each other (``Stage.apart``), with what they share; a job is a task that waits for those it needs.
Results travel through the store and the outputs' folder, which lie where every worker sees them, so that a task that is
lost with its worker is simply made again, and what it had kept is found.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vedit.atomic import clear_left_over, hidden_name
from vedit.batches.cluster import Connection
from vedit.batches.outcome import Outcome
from vedit.batches.plan import PlannedJob, StageOf, to_make
from vedit.batches.run import Watcher
from vedit.batches.status import Status
from vedit.batches.worker import Answer, Surroundings, work
from vedit.errors import first_line

MOST_LOSSES = 5
"""Workers that a task may take down with it before it counts as what kills them."""

MOST_FALSE_STARTS = 50
"""Workers that may be lost before they begin a task, which is not to blame: as long as one starts, others may end."""

AHEAD = 2
"""Tasks for each worker that are handed over at a time."""


@dataclass
class Task:
    """A job, or a stage that it shares with others.

    Attributes:
        stage: the key of the stage, one that several tasks share or one apart; empty for the job itself
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


def run_on_cluster(
    jobs: Sequence[PlannedJob],
    folder: Path,
    status: Status,
    watcher: Watcher,
    connection: Connection,
    *,
    overwrite: bool = False,
) -> dict[str, Outcome]:
    """As ``run_jobs``, on a cluster."""
    return _Driver(jobs, folder, status, watcher, connection, overwrite).run()


class _Driver:
    """Hands tasks over as soon as what they wait for is there, and takes what comes back."""

    def __init__(
        self,
        jobs: Sequence[PlannedJob],
        folder: Path,
        status: Status,
        watcher: Watcher,
        connection: Connection,
        overwrite: bool,
    ) -> None:
        self._ray, self._most = connection.ray, AHEAD * connection.workers
        self._folder, self._status, self._watcher, self._overwrite = folder, status, watcher, overwrite
        self._waiting = tasks_of(jobs)
        self._running: dict[Any, Task] = {}
        self._there: set[str] = set()
        self._failed: dict[str, Answer] = {}  # stages, by their keys
        self._outcomes: dict[str, Outcome] = {}
        self._remote = self._ray.remote(num_cpus=1, num_gpus=connection.gpus_per_job, max_retries=0)(work)
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

    def _begin(self, task: Task) -> None:
        if not task.begun:
            task.begun = True
            if not task.stage:
                self._watcher.begin(task.job)
                self._status.started(task.job)
        # A worker that was lost may have written the output before it could tell.
        overwrite = self._overwrite or task.job.own_files or task.losses > 0
        task.sign = hidden_name(self._folder)
        given = task.job, self._folder, task.stage, overwrite, self._surroundings, task.sign
        self._running[self._remote.remote(*given)] = task

    def _take(self, reference: Any, task: Task) -> None:
        try:
            answer: Answer = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            if not self._lost(task):
                self._waiting.insert(0, task)
                return
            lost = task.losses + task.false_starts
            reason = f"{lost} workers were lost while they made it; the last: {first_line(error)}"
            answer = Answer((), reason=reason, fault=type(error).__name__)
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

    def _lost(self, task: Task) -> bool:
        """Take down that a worker was lost; whether the task counts as what kills them."""
        begun = task.sign.exists()
        task.losses += begun
        task.false_starts += not begun
        self._status.add("lost", job=task.job.job.name, stage=task.stage, begun=begun, losses=task.losses)
        return task.losses > MOST_LOSSES or task.false_starts > MOST_FALSE_STARTS

    def _fail(self, task: Task, answer: Answer) -> None:
        if task.stage:
            self._failed[task.stage] = answer
            return
        if not task.begun:
            self._watcher.begin(task.job)
            self._status.started(task.job)
        outcome = Outcome(reason=answer.reason, seconds=answer.seconds)
        self._status.failed(task.job, outcome, answer.fault)
        self._end(task, outcome)

    def _end(self, task: Task, outcome: Outcome) -> None:
        clear_left_over(task.job.job.output.parent)
        self._outcomes[task.job.job.name] = outcome
        self._watcher.end(task.job, outcome)


def tasks_of(jobs: Sequence[PlannedJob]) -> list[Task]:
    """A task for each stage apart that is not there yet, one for each that several jobs or stages apart share, and one
    for each job.

    Each waits for those of these stages that it is made of, and for no others: where one of them fails, so does it.
    """
    users, own, apart = Counter[str](), dict[str, dict[str, StageOf]](), set[str]()
    for job in jobs:
        stages = own[job.job.name] = {stage.key: stage for stage in job.stages}
        parts = {key for key in to_make(stages, *_goal(job)) if stages[key].apart}
        for key in parts - apart:
            users.update(each for each in to_make(stages, *stages[key].needs) if stages[each].kept)
        # What its parts alone are made of, the job itself does not need once they are there.
        rest = {**stages, **{key: replace(stages[key], there=True) for key in parts}}
        users.update(each for each in to_make(rest, *_goal(job)) if stages[each].kept)
        apart |= parts
    by_itself = apart | {key for key, count in users.items() if count > 1}
    tasks, known = list[Task](), set[str]()
    for job in jobs:
        stages = own[job.job.name]
        needed = to_make(stages, *_goal(job)) & by_itself
        waited = [key for key in stages if key in needed]
        for key in waited:
            if key not in known:
                tasks.append(Task(job, key, to_make(stages, *stages[key].needs) & by_itself))
        known |= {*waited}
        tasks.append(Task(job, waits={*waited}))
    return tasks


def _goal(job: PlannedJob) -> tuple[str, ...]:
    """The key of the stage that a job is about; empty for one that could not be planned."""
    return tuple(stage.key for stage in job.stages[-1:])
