"""What a batch takes, before any of it is made: which jobs are there already, and the stages that the others share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vedit.batches.configs import BatchJob
from vedit.batches.status import Past
from vedit.clip.sizes import Size
from vedit.config.named_files import fields_written
from vedit.errors import VeditError
from vedit.graph import Stage, Store, plan
from vedit.graph.work import passes
from vedit.jobs import entry_of
from vedit.jobs.base import Given, Goal, result_store
from vedit.session import Session


@dataclass(frozen=True)
class StageOf:
    """A stage of a job, as far as a plan needs it.

    Attributes:
        key: alike for two jobs that share it
        kept: whether its result is there for others
        there: whether it is there already
        passes: UNet passes that it takes
        needs: the keys of those that it is made of
        apart: whether it is one of several that do not depend on each other, and a task by itself
    """

    key: str
    title: str
    kept: bool
    there: bool
    passes: float
    needs: tuple[str, ...] = ()
    apart: bool = False


@dataclass(frozen=True)
class PlannedJob:
    """A job and what it takes.

    Attributes:
        key: the name of its result, wherever it is written; empty where it could not be planned
        model: the weights that it needs; empty for none
        frames: how many its result has
        size: (H, W) at which the model works on them
        stages: inputs first
        fault: why it cannot be made; None where it can, as far as is known before
        past: what an earlier run made of the same job, if any, and nobody else has changed since
        stands: whether all that it wrote is there
        outdated: whether an earlier run made its files with other settings, and nobody else has changed them
    """

    job: BatchJob
    key: str = ""
    model: str = ""
    seed: int | None = None
    frames: int | None = None
    size: Size | None = None
    stages: tuple[StageOf, ...] = field(default=(), repr=False)
    fault: VeditError | None = None
    past: Past | None = None
    stands: bool = False
    outdated: bool = False

    @property
    def done(self) -> bool:
        """Whether an earlier run finished it, and its files stand."""
        return self.past is not None and self.past.state == "done" and self.stands

    @property
    def own_files(self) -> bool:
        """Whether its files, where they are there, are of an earlier run, and nobody else has changed them."""
        return self.past is not None or self.outdated

    @property
    def failed(self) -> bool:
        """Whether an earlier run failed to make it."""
        return self.past is not None and self.past.state == "failed"


def planned(job: BatchJob, folder: Path, session: Session, past: Past | None) -> PlannedJob:
    """A job with what it takes. Reads no weights and no pictures; what is wrong with its files is its fault."""
    try:
        goal, store = goal_of(job, folder, session), result_store(job.config)
        count = 1 if goal.canvas is None else goal.canvas.frames
        stages = tuple(_stage_of(stage, store, count) for stage in plan(goal.stage).to_make)
    except VeditError as fault:
        return PlannedJob(job, fault=fault)
    seed = getattr(goal.settings, "seed", None)
    frames, size = (goal.canvas.frames, goal.canvas.size) if goal.canvas else (None, None)
    key, model = goal.stage.key, goal.model.weights if goal.model else ""
    stands = past is not None and past.stands(folder)
    if past is None or past.key != key:
        return PlannedJob(job, key, model, seed, frames, size, stages, outdated=stands)
    same = None if past.changed(folder) else past
    return PlannedJob(job, key, model, seed, frames, size, stages, past=same, stands=stands)


def _stage_of(stage: Stage[Any], store: Store | None, frames: int) -> StageOf:
    kept = stage.kept and store is not None
    taken = sum(passes(work, frames) for work in stage.work() if not work.doubtful)
    needs = tuple(each.key for each in stage.needs())
    there = kept and store is not None and store.holds(stage.key)
    return StageOf(stage.key, stage.title, kept, there, taken, needs, kept and stage.apart)


def goal_of(job: BatchJob, folder: Path, session: Session) -> Goal[Any]:
    """What a job is to make, as if it were written into the current folder: where a result lies does not change what it
    is. Raises VeditError."""
    names = {name: getattr(job.config, name) for name in fields_written(type(job.config))}
    config = job.config.model_copy(update={name: path.relative_to(folder) for name, path in names.items() if path})
    return entry_of(config).load().goal(config, session, Given(made_with=job.made_with))


def to_make(stages: Mapping[str, StageOf], *goals: str) -> set[str]:
    """Of a job's ``stages``, by their keys, those that the ``goals`` need, themselves too, and that are not there. What
    only a result that is there was made of is left out."""
    found, ahead = set[str](), list(goals)
    while ahead:
        stage = stages[ahead.pop()]
        if stage.key not in found and not stage.there:
            found.add(stage.key)
            ahead += stage.needs
    return found


def in_order(jobs: Sequence[PlannedJob]) -> list[PlannedJob]:
    """The jobs so that those of one model follow each other, and among them those that begin with the same stage."""
    models, beginnings = dict[str, int](), dict[str, int]()
    for job in jobs:
        models.setdefault(job.model, len(models))
        beginnings.setdefault(_beginning(job), len(beginnings))
    return sorted(jobs, key=lambda job: (models[job.model], beginnings[_beginning(job)]))


def _beginning(job: PlannedJob) -> str:
    """The first of its stages that others may share."""
    return next((stage.key for stage in job.stages if stage.kept), job.key)


def shared(jobs: Sequence[PlannedJob]) -> dict[str, tuple[int, int, int]]:
    """By the stages' titles: how often they are needed, how many different ones these are, how many are there."""
    needed, different = dict[str, list[str]](), dict[str, bool]()
    for job in jobs:
        for stage in job.stages:
            if stage.title:
                needed.setdefault(stage.title, []).append(stage.key)
                different[stage.key] = stage.there
    return {
        title: (len(keys), len({*keys}), sum(different[key] for key in {*keys})) for title, keys in needed.items()
    }  # fmt: skip
