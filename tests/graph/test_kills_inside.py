"""An edit that is killed inside of its inversion or of its sampling goes on from the step that was saved last."""

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
from vedit.prediction import Predictor

STEPS = 6
"""Of the inversion, and of the sampling: each saves its state after all of them but the last."""

WRITTEN = {"o.mp4", "o.yaml"}


def edit(arguments: list[str], desk: Desk, killed_after: int, half_way: bool) -> None:
    """The command in a process of its own, which saves states at every step and writes each pass through the network
    and each saved state down. Kills itself once it has saved so many states, or ``half_way`` through the next."""
    diary = desk.taken()
    unfinished.EVERY, unfinished.SHARE = 0.0, 0
    save, write, run, saved = Unfinished.save, unfinished.write_tensors, Predictor.__call__, 0

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
        return run(predictor, *given, **told)

    Unfinished.save, unfinished.write_tensors, Predictor.__call__ = told_save, told_write, told_run
    sys.exit(main(arguments))


@dataclass(frozen=True)
class Trial:
    """One edit, to be run at fresh desks.

    Attributes:
        arguments: of the command
        folder: where the desks are
        seconds: that the edit takes
        passes: through the network, when it is left alone
        whole: what it then writes, by the files' names
    """

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
        process = SERVER.Process(target=edit, args=(list(self.arguments), desk, killed_after, half_way))
        process.start()
        return process

    def finish(self, desk: Desk) -> None:
        process = self.begin(desk)
        process.join(PATIENCE)
        assert process.exitcode == 0, desk.said.read_text()


@pytest.fixture(scope="module")
def trial(toy_model: Path, toy_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    """An edit in windows whose long stages are an inversion, corrected once, and a sampling within a box."""
    SERVER.set_forkserver_preload([__name__])
    arguments = (
        "edit", toy_clip, "a blue dog", "--source-prompt", "a red dog", "--model", toy_model, "--device", "cpu",
        "--size", 16, "--steps", STEPS, "--strength", 1, "--window", 3, "--no-check-inversion", "--control", "none",
        "--mask", "box:0,0,30,30", "-o", "o.mp4", "--overwrite", "--quiet",
    )  # fmt: skip
    alone = Trial(tuple(str(each) for each in arguments), tmp_path_factory.mktemp("inside"))
    alone.finish(alone.desk("first"))  # which is slower than all others
    desk, begun = alone.desk("undisturbed"), time.perf_counter()
    alone.finish(desk)
    taken, whole = time.perf_counter() - begun, desk.results()
    assert whole.keys() == WRITTEN
    assert desk.count("saved") == {"inversion": STEPS - 1, "denoising": STEPS - 1}
    assert not desk.unfinished()
    return replace(alone, seconds=taken, passes=desk.count("run")["pass"], whole=tuple(whole.items()))


def check_ended(trial: Trial, desk: Desk, kills: int) -> None:
    """What must hold of an edit that was killed so often, and has ended in the end."""
    trial.finish(desk)
    assert desk.results() == dict(trial.whole)
    assert not desk.unfinished()
    assert trial.passes <= desk.count("run")["pass"] <= trial.passes + 2 * kills, "a step is run twice at most"


@pytest.mark.parametrize(
    ("saved", "half_way"), [(2, False), (STEPS, True), (2 * STEPS - 4, False)], ids=["inversion", "saving", "sampling"]
)
def test_it_goes_on_from_the_step_that_was_saved_last(trial: Trial, saved: int, half_way: bool) -> None:
    desk = trial.desk(f"saved-{saved}")
    process = trial.begin(desk, saved, half_way)
    process.join(PATIENCE)
    assert process.exitcode == -signal.SIGKILL, desk.said.read_text()
    assert not desk.results()
    (state,) = (entry for entry in Store(desk.cache).entries() if entry.unfinished)
    assert state.title == ("inversion" if saved < STEPS else "denoising")
    assert desk.count("saved").total() == saved
    check_ended(trial, desk, 1)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_it_goes_on_wherever_it_is_killed(trial: Trial) -> None:
    chance, met = random.Random(3), 0
    for number in range(1000):
        desk, kills = trial.desk(f"many-{number}"), 0
        while met < 40:
            process = trial.begin(desk)
            process.join(chance.uniform(0.05, 0.95) * trial.seconds)
            with suppress(ProcessLookupError):
                os.kill(process.pid or 0, signal.SIGKILL)
            process.join()
            if process.exitcode == 0:
                break
            kills, met = kills + 1, met + 1
        check_ended(trial, desk, kills)
        if met >= 40:
            return
    pytest.fail("kills met no work")
