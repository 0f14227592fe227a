"""What is handed to a cluster, before there is one: which tasks there are, and what each waits for."""

from __future__ import annotations

from pathlib import Path

from vedit.batches.configs import BatchJob
from vedit.batches.driver import tasks_of
from vedit.batches.plan import PlannedJob, StageOf
from vedit.config import EditConfig


def stage(key: str, *needs: str, kept: bool = True, there: bool = False, apart: bool = False) -> StageOf:
    return StageOf(key, key, kept, there, 0, needs, apart)


def job(name: str, *stages: StageOf) -> PlannedJob:
    config = EditConfig(clip=Path("clip.mp4"), prompt="a cat", output=Path(f"{name}.mp4"))
    return PlannedJob(BatchJob(name, config, "", {}), stages=stages)


def waits(*jobs: PlannedJob) -> dict[str, set[str]]:
    """What each task waits for; a stage by its key, a job by its name."""
    return {task.stage or task.job.job.name: task.waits for task in tasks_of(jobs)}


def test_each_stage_that_is_shared_is_one_task_that_waits_for_what_it_is_made_of() -> None:
    common = stage("read"), stage("encode", "read"), stage("edge", "read"), stage("noise", "encode")
    one = job("one", *common, stage("first", "noise", "edge", kept=False))
    two = job("two", *common, stage("second", "noise", "edge", kept=False))
    assert waits(one, two) == {
        "read": set(),
        "encode": {"read"},
        "edge": {"read"},
        "noise": {"read", "encode"},  # and not the edges: where those fail, others still need the noise
        "one": {"read", "encode", "edge", "noise"},
        "two": {"read", "encode", "edge", "noise"},
    }


def test_what_one_job_alone_needs_is_no_task_of_its_own() -> None:
    one = job("one", stage("read"), stage("encode", "read"), stage("first", "encode", kept=False))
    other = job("other", stage("read 2"), stage("first 2", "read 2", kept=False))
    assert waits(one, other) == {"one": set(), "other": set()}


def test_what_a_result_that_is_there_was_made_of_is_not_made_again() -> None:
    common = stage("read"), stage("encode", "read", there=True)
    jobs = [job(name, *common, stage(f"{name} end", "encode", kept=False)) for name in ("one", "two")]
    assert waits(*jobs) == {"one": set(), "two": set()}


def test_a_stage_between_that_is_not_kept_hides_nothing() -> None:
    common = stage("read"), stage("mask", "read", kept=False), stage("noise", "mask")
    jobs = [job(name, *common, stage(f"{name} end", "noise", kept=False)) for name in ("one", "two")]
    assert waits(*jobs)["noise"] == {"read"}


def test_parts_are_tasks_and_so_is_what_they_share() -> None:
    before = stage("read"), stage("noise", "read"), stage("mask", "read", kept=False)
    parts = [stage(f"part {each}", "noise", "mask", apart=True) for each in (1, 2)]
    one = job("one", *before, *parts, stage("end", "part 1", "part 2", "mask", kept=False))
    found = {"read": set(), "noise": {"read"}, "part 1": {"read", "noise"}, "part 2": {"read", "noise"}}
    assert waits(one) == found | {"one": {"read", "noise", "part 1", "part 2"}}
    there = [stage(each.key, *each.needs, there=True, apart=True) for each in parts]
    assert waits(job("one", *before, *there, stage("end", "part 1", "part 2", kept=False))) == {"one": set()}


def test_a_job_that_cannot_be_planned_is_a_task_that_tells_why() -> None:
    assert waits(job("broken")) == {"broken": set()}
