"""A batch that is killed at any moment, and begun again, ends as one that was left alone."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from tests.batches import desks
from tests.batches.desks import Desk
from vedit.batches.folder import LOCK
from vedit.graph import Store

MOST_TWICE = 0.1
"""The part of a batch's work that is done once more, on average, for each time that it is killed."""


@dataclass(frozen=True)
class Trial:
    """One batch, to be run at fresh desks.

    Attributes:
        folder: where the desks are
        jobs: its file
        seconds: that it takes when it is left alone
        undisturbed: the desk at which it was
    """

    folder: Path
    jobs: Path
    seconds: float
    undisturbed: Desk

    @classmethod
    def of(cls, folder: Path, clips: int, prompts: list[str], settings: str) -> Trial:
        """With a batch that is left alone, after a first one, which is slower than all others."""
        desks.SERVER.set_forkserver_preload([desks.__name__])
        jobs = desks.jobs_file(folder / "jobs.yaml", desks.clips(folder, clips), prompts, settings)
        first, second = Desk.new(folder / "first"), Desk.new(folder / "undisturbed")
        first.finish(first.begin(jobs))
        begun = time.monotonic()
        second.finish(second.begin(jobs))
        return cls(folder, jobs, time.monotonic() - begun, second)

    def desk(self, name: str) -> Desk:
        return Desk.new(self.folder / name)

    def weights(self) -> dict[str, float]:
        """Seconds that each piece of work took undisturbed."""
        begun: dict[str, float] = {}
        taken: dict[str, float] = {}
        for entry in self.undisturbed.entries():
            if entry.event == "begun":
                begun[entry.work] = entry.at
            else:
                taken[entry.work] = entry.at - begun[entry.work]
        return taken


@dataclass(frozen=True)
class Kill:
    """That a process was killed.

    Attributes:
        at: when, on the diaries' clock
        wrote: how many lines its desk's diary had then
    """

    at: float
    wrote: int


def kill(trial: Trial, desk: Desk, seconds: float) -> Kill | None:
    """Begin the batch, and kill it after so many ``seconds``; None where it had ended before. What must hold then."""
    process = desk.begin(trial.jobs)
    session = process.pid or 0
    process.join(seconds)
    with suppress(ProcessLookupError):
        os.kill(session, signal.SIGKILL)
    at = time.monotonic()
    process.join()
    if process.exitcode == 0:
        return None
    assert process.exitcode == -signal.SIGKILL, desk.said
    assert not desks.processes_of(session)
    assert desk.outputs().items() <= trial.undisturbed.outputs().items(), "what is there is whole"
    for entry in (each for each in Store(desk.cache).entries() if not each.unfinished):
        assert Store(desk.cache).read(entry.key) is not None
    return Kill(at, len(desk.entries()))


def check_ended(trial: Trial, desk: Desk, kills: list[Kill]) -> None:
    """What must hold of a batch that has ended in the end."""
    alone = trial.undisturbed
    assert desk.outputs() == alone.outputs()
    assert not desk.hidden()
    assert not (desk.out / LOCK).exists()
    assert desk.count("made").keys() == alone.count("made").keys()
    done = Counter(event["job"] for event in desk.events() if event["event"] == "done")
    assert done == Counter(event["job"] for event in alone.events() if event["event"] == "done")
    # A kill meets one stage at most that is kept, which is being made or being written.
    begun = desk.count("begun", kept=True)
    assert begun.total() - len(begun) <= len(kills)
    told = Counter(event["key"] for event in desk.events() if event["event"] == "made")
    made = Counter(work.split()[1] for work in desk.count("made").elements() if work.split()[1] in told)
    # The status tells of a stage before the diary does; a kill may fall between the two.
    assert (told - made).total() + (made - told).total() <= len(kills)


def done_twice(trial: Trial, desk: Desk, kills: list[Kill]) -> float:
    """Seconds of work that a batch that was killed did more than one that was left alone.

    In seconds, since most stages call no UNet: each piece of work counts what it took undisturbed, so that nothing
    depends on how fast the machine was; what was under way when a kill came counts as far as it had come. Not counted
    is what is no work of a job: planning, and loading the model, which each process does once.
    """
    weights = trial.weights()
    made = desk.count("made")
    spent = sum(times * weights[work] for work, times in made.items())
    entries = desk.entries()
    for each in kills:
        last = entries[each.wrote - 1] if each.wrote else None
        if last is not None and last.event == "begun":
            spent += min(each.at - last.at, weights[last.work])
    return spent - sum(weights.values())


def shares_done_twice(trial: Trial, wanted: int, chance: random.Random, name: str) -> Iterator[float]:
    """Batches that are killed again and again, each until it ends, until ``wanted`` kills have met one: for each kill,
    the share of the batch's work that was done once more."""
    whole, met = sum(trial.weights().values()), 0
    for number in count():
        desk, kills = trial.desk(f"{name}-{number}"), list[Kill]()
        while met + len(kills) < wanted:
            found = kill(trial, desk, chance.uniform(0, 0.8) * trial.seconds)
            if found is None:
                break
            kills.append(found)
        else:
            desk.finish(desk.begin(trial.jobs))
        check_ended(trial, desk, kills)
        met += len(kills)
        if kills:  # a batch may have ended before its first, where the machine is faster by now
            yield from [done_twice(trial, desk, kills) / whole / len(kills)] * len(kills)
        if met >= wanted:
            return


@pytest.fixture(scope="module")
def trial(toy_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    """Four edits that take a second or two."""
    return Trial.of(tmp_path_factory.mktemp("few"), 2, ["a blue dog", "a green dog"], desks.tiny(toy_model))


def test_a_batch_that_is_killed_ends_as_if_it_had_not_been(trial: Trial) -> None:
    assert len(list(shares_done_twice(trial, 3, random.Random(1), "few"))) == 3


def test_a_batch_that_is_killed_among_its_previews_goes_on(trial: Trial) -> None:
    desk = trial.desk("previews")
    process = desk.begin(trial.jobs, "--preview")
    while process.is_alive() and not list(desk.out.glob("previews/*/*/*.mp4")):
        time.sleep(0.01)
    assert process.is_alive(), desk.said
    process.kill()
    process.join()
    desk.finish(desk.begin(trial.jobs))
    assert desk.outputs().items() >= trial.undisturbed.outputs().items()


@pytest.mark.slow
@pytest.mark.timeout(5400)
def test_a_batch_of_twelve_that_is_killed_at_forty_moments_ends_as_if_it_had_not_been(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    settings = """
        model: mini
        device: cpu
        source-prompt: a red star
        frames: 3
        size: 64
        steps: 3
        tune: 3
    """
    prompts = ["a blue star", "a green star", "a red circle", "a red star over sand"]
    twelve = Trial.of(tmp_path_factory.mktemp("many"), 3, prompts, settings)
    assert len([name for name in twelve.undisturbed.outputs() if name.endswith("star.mp4")]) >= 6
    shares = list(shares_done_twice(twelve, 40, random.Random(2), "many"))
    assert len(shares) == 40
    assert sum(shares) / len(shares) <= MOST_TWICE, f"{100 * sum(shares) / len(shares):.1f} %"
