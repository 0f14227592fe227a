"""What a batch would cost, before any of it is made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vedit.batches.plan import PlannedJob, shared
from vedit.batches.prepare import Batch
from vedit.graph import Plan, plan
from vedit.jobs import entry_of
from vedit.jobs.base import Given, result_store
from vedit.jobs.cost import cost_of
from vedit.jobs.disk_use import WORKING
from vedit.jobs.resources import format_bytes, format_duration
from vedit.session import Session

Table = tuple[str, Sequence[str], list[list[str]]]
"""Title, heads of the columns (empty for pairs), rows."""

SECONDS, MEMORY, KEPT, WORKED = (
    "time",
    "memory of the largest job",
    "disk, of what is kept for later",
    "disk, while the largest job is made",
)


def tables(batch: Batch, jobs: Sequence[PlannedJob]) -> Iterator[Table]:
    """Tables of the jobs, of the stages that they share, and of what those that are to be made cost. Loads no weights.

    Raises VeditError for a model that cannot be had.
    """
    yield "jobs", (), [[job.job.name, _state(job)] for job in jobs]
    rows = [[title, *(str(count) for count in counts)] for title, counts in shared(jobs).items()]
    yield "stages", ("stage", "needed", "different", "there already"), rows
    todo = [job for job in jobs if not job.done and job.fault is None]
    yield "in all, about", (), _in_all(todo)


def _state(job: PlannedJob) -> str:
    if job.fault is not None:
        return f"cannot be made: {job.fault}"
    if job.done:
        return "done already"
    if job.failed and job.past is not None:
        return f"failed before: {job.past.event.get('reason', '')}"
    return "to be made"


def _in_all(todo: Sequence[PlannedJob]) -> list[list[str]]:
    """Time, memory and disk of jobs that are made one after the other, each shared stage once."""
    session, seen = Session(fetches=False), set[str]()
    seconds, memory, kept, working = 0.0, 0.0, 0.0, 0.0
    for each in todo:
        config = each.job.config
        goal = entry_of(config).load().goal(config, session, Given())
        store = result_store(config)
        planned = plan(goal.stage, store=store)
        own = tuple(stage for stage in planned.to_make if stage.key not in seen)
        if goal.model is not None and goal.canvas is not None:
            there = (*planned.there, *(stage for stage in planned.to_make if stage not in own))
            cost = cost_of(goal, Plan(own, there), store)
            seconds, memory = seconds + cost.seconds, max(memory, sum(cost.memory.values()))
            working = max(working, sum(use.size for disk in cost.disks for use in disk.uses if use.what == WORKING))
            latents = goal.model.outline.vae_scale_factor
            kept += sum(stage.room(goal.canvas.frames, goal.canvas.whole_size, latents) for stage in own if stage.kept)
        seen |= {stage.key for stage in own if stage.kept}
    disk = [[KEPT, format_bytes(kept)], [WORKED, format_bytes(working)]]
    return [[SECONDS, format_duration(seconds)], [MEMORY, format_bytes(memory)], *disk]
