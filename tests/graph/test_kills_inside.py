"""A job that is killed inside of an inversion or of a sampling goes on from what was saved last, to the same bytes."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from tests.graph.desk import PATIENCE, SERVER, Desk
from vedit.cli import main
from vedit.graph import Store, unfinished
from vedit.graph.unfinished import Unfinished

# Imported so that a process that is forked has it already, and kills meet work.
from vedit.jobs import edit as _edit  # noqa: F401
from vedit.sampling.prediction import Predictor

KILLS = 20
"""Of each job, at any moment."""

WRITTEN = {"o.mp4", "o.yaml"}


@dataclass(frozen=True)
class Job:
    """A command, and how often its stages save their states, by their titles in their order.

    Attributes:
        arguments: of the command; "CLIP" stands for a clip
    """

    arguments: tuple[str | int, ...]
    saves: dict[str, int]

    def at(self, saved: int) -> str:
        """The stage that saves its state for the time after so many."""
        return [title for title, count in self.saves.items() for _ in range(count)][saved]


EDIT = (
    "edit", "CLIP", "a blue dog", "--source-prompt", "a red dog", "--size", 16, "--steps", 6, "--strength", 1,
    "--no-check-inversion", "--control", "none", "--mask", "box:0,0,30,30",
)  # fmt: skip
JOBS = {
    # An inversion, corrected once, and a sampling, each of which saves its state after all six steps but the last.
    "windows": Job((*EDIT, "--window", 3), {"inversion": 5, "denoising": 5}),
    # Of two key frames; and in three steps, of the frame in the middle, and of the two that are left.
    "key frames": Job(
        (*EDIT, "--key-frames", 2, "--fill", "recursive", "--fill-strength", 0.5),
        {"inversion": 5, "denoising": 5, "filling in": 2 * (2 + 2)},
    ),
    # The first four frames take five steps, and then one after the other enters the queue.
    "queue": Job(
        ("generate", "a cat", "--frames", 7, "--fifo", "--window", 4, "--steps", 5, "--seed", 3),
        {"denoising": 2 * 5 + 7 - 4 - 1},
    ),
    # Two steps of two tiles, after each of which it is saved.
    "tiles": Job(
        ("upscale", "CLIP", "-p", "a cat", "--frames", 3, "--steps", 4, "--strength", 0.5, "--tile", 64),
        {"denoising": 2 * 2},
    ),
}


def run(arguments: list[str], desk: Desk, killed_after: int, half_way: bool) -> None:
    """The command in a process of its own, which saves states at every step and writes each pass through the network
    and each saved state down. Kills itself once it has saved so many states, or ``half_way`` through the next."""
    diary = desk.taken()
    unfinished.EVERY, unfinished.SHARE = 0.0, 0
    save, write, predict, saved = Unfinished.save, unfinished.write_tensors, Predictor.__call__, 0

    def told_save(state: Unfinished, tensors) -> None:
        nonlocal saved
        save(state, tensors)
        saved += 1
        os.write(diary, f"saved {state.title}\n".encode())
        if saved == killed_after and not half_way:
            os.kill(os.getpid(), signal.SIGKILL)

    def told_write(path: Path, tensors, metadata) -> None:
        write(path, tensors, metadata)
        if saved == killed_after and half_way:
            os.truncate(path, path.stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    def told_run(predictor: Predictor, *given, **told):
        os.write(diary, b"run pass\n")
        return predict(predictor, *given, **told)

    Unfinished.save, unfinished.write_tensors, Predictor.__call__ = told_save, told_write, told_run
    sys.exit(main(arguments))


@dataclass(frozen=True)
class Trial:
    """A job, to be run at fresh desks.

    Attributes:
        job: the command
        arguments: of it
        folder: where the desks are
        seconds: that it takes, and all that is done for the first time
        passes: through the network, when it is left alone
        whole: what it then writes, by the files' names
    """

    job: Job
    arguments: tuple[str, ...]
    folder: Path
    seconds: float = 0.0
    passes: int = 0
    whole: tuple[tuple[str, bytes], ...] = ()

    def desk(self, name: str) -> Desk:
        desk = Desk(self.folder / name)
        desk.out.mkdir(parents=True)
        return desk

    def begin(self, desk: Desk, killed_after: int = -1, half_way: bool = False) -> BaseProcess:
        process = SERVER.Process(target=run, args=(list(self.arguments), desk, killed_after, half_way))
        process.start()
        return process

    def finish(self, desk: Desk) -> None:
        process = self.begin(desk)
        process.join(PATIENCE)
        assert process.exitcode == 0, desk.said.read_text()


@pytest.fixture(scope="module", params=JOBS)
def trial(
    request: pytest.FixtureRequest, toy_model: Path, toy_clip: Path, tmp_path_factory: pytest.TempPathFactory
) -> Trial:
    SERVER.set_forkserver_preload([__name__])
    job = JOBS[request.param]
    told = (*job.arguments, "--model", toy_model, "--device", "cpu", "-o", "o.mp4", "--overwrite", "--quiet")
    arguments = tuple(str(toy_clip if each == "CLIP" else each) for each in told)
    alone = Trial(job, arguments, tmp_path_factory.mktemp("inside"))
    desk, begun = alone.desk("undisturbed"), time.perf_counter()
    alone.finish(desk)
    taken, whole = time.perf_counter() - begun, desk.results()
    assert whole.keys() == WRITTEN
    assert desk.count("saved") == job.saves
    assert not desk.unfinished()
    return replace(alone, seconds=taken, passes=desk.count("run")["pass"], whole=tuple(whole.items()))


def check_ended(trial: Trial, desk: Desk, kills: int) -> None:
    """What must hold of a job that was killed so often, and has ended in the end."""
    trial.finish(desk)
    assert desk.results() == dict(trial.whole)
    assert not desk.unfinished()
    assert trial.passes <= desk.count("run")["pass"] <= trial.passes + 2 * kills, "a step is run twice at most"


@pytest.mark.parametrize(
    ("share", "half_way"),
    [pytest.param(0.2, False, marks=pytest.mark.slow), (0.6, True), pytest.param(0.9, False, marks=pytest.mark.slow)],
)
def test_it_goes_on_from_what_was_saved_last(trial: Trial, share: float, half_way: bool) -> None:
    saved = max(1, int(share * sum(trial.job.saves.values())))
    desk = trial.desk(f"saved-{saved}")
    process = trial.begin(desk, saved, half_way)
    process.join(PATIENCE)
    assert process.exitcode == -signal.SIGKILL, desk.said.read_text()
    assert not desk.results()
    (state,) = (entry for entry in Store(desk.cache).entries() if entry.unfinished)
    assert state.title == trial.job.at(saved if half_way else saved - 1)
    assert desk.count("saved").total() == saved
    check_ended(trial, desk, 1)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_it_goes_on_wherever_it_is_killed(trial: Trial) -> None:
    chance, met = random.Random(3), 0
    for number in range(1000):
        desk, kills = trial.desk(f"many-{number}"), 0
        while met < KILLS:
            process = trial.begin(desk)
            process.join(chance.uniform(0.05, 0.95) * trial.seconds)
            with suppress(ProcessLookupError):
                os.kill(process.pid or 0, signal.SIGKILL)
            process.join()
            if process.exitcode == 0:
                break
            kills, met = kills + 1, met + 1
        check_ended(trial, desk, kills)
        if met >= KILLS:
            return
    pytest.fail("kills met no work")
