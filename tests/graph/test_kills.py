"""An edit that is killed at any moment, and begun again, ends as one that was left alone."""

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
from diffusers import ControlNetModel

from tests.graph.desk import PATIENCE, SERVER, Desk
from vedit.adapters.loading import load_backbone
from vedit.cli import main
from vedit.graph import Run, Store

# Imported so that a process that is forked has them already, and kills meet work.
from vedit.jobs import edit as _edit  # noqa: F401

WRITTEN = {"o.mp4", "o.yaml", "o.png", "both.mp4"}
"""What one edit writes, beside its diary."""


NOWHERE = Desk(Path())


def edit(arguments: list[str], desk: Desk, bound: int) -> None:
    """The command in a process of its own: its cache has a bound, and each stage that is made is written down."""
    diary = desk.taken()
    plain = Run._make

    def make(run: Run, stage):
        os.write(diary, f"begun {type(stage).__name__} {stage.key} {stage.kept}\n".encode())
        result = plain(run, stage)
        os.write(diary, f"made {type(stage).__name__} {stage.key} {stage.kept}\n".encode())
        return result

    Run._make = make
    Store.__init__.__defaults__ = (bound,)
    sys.exit(main(arguments))


@dataclass(frozen=True)
class Trial:
    """One edit, to be run at fresh desks.

    Attributes:
        arguments: of the command
        folder: where the desks are
        bound: bytes that a cache may hold
        seconds: that the edit takes
        undisturbed: the desk at which it was left alone
    """

    arguments: tuple[str, ...]
    folder: Path
    bound: int
    seconds: float = 0.0
    undisturbed: Desk = NOWHERE

    def desk(self, name: str) -> Desk:
        desk = Desk(self.folder / name)
        desk.out.mkdir(parents=True)
        return desk

    def begin(self, desk: Desk) -> BaseProcess:
        process = SERVER.Process(target=edit, args=(list(self.arguments), desk, self.bound))
        process.start()
        return process

    def finish(self, desk: Desk, begun: BaseProcess | None = None) -> None:
        process = begun or self.begin(desk)
        process.join(PATIENCE)
        assert process.exitcode == 0, desk.said.read_text()


@pytest.fixture(scope="module")
def trial(toy_model: Path, toy_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    """An edit with all that an edit can have, which takes a second or two; it may keep what it keeps undisturbed, and
    no byte more."""
    SERVER.set_forkserver_preload([__name__])
    folder = tmp_path_factory.mktemp("kills")
    backbone = load_backbone(toy_model, device="cpu")
    channels = (8,) * backbone.vae_scale_factor.bit_length()  # a level for each halving on the way to latents
    net = ControlNetModel.from_unet(backbone.unet, conditioning_embedding_out_channels=channels)
    net.save_pretrained(folder / "net")
    arguments = (
        "edit", toy_clip, "a blue dog", "--source-prompt", "a red dog", "--model", toy_model, "--device", "cpu",
        "--frames", 2, "--size", 16, "--steps", 2, "--tune", 1, "--control", f"edge:net={folder / 'net'}",
        "--mask", "box:0,0,30,30", "--attention", "flow",
        "-o", "o.mp4", "--sheet", "o.png", "--compare", "both.mp4", "--overwrite", "--quiet",
    )  # fmt: skip
    free = Trial(tuple(str(each) for each in arguments), folder, 10**9)
    free.finish(free.desk("first"))  # which is slower than all others
    alone, begun = free.desk("undisturbed"), time.perf_counter()
    free.finish(alone)
    return replace(free, bound=alone.kept(), seconds=time.perf_counter() - begun, undisturbed=alone)


def kill_and_go_on(trial: Trial, moments: list[float], name: str) -> None:
    """The edit killed at ``moments``, shares of its time, once at each, and then left alone: what must hold."""
    alone = trial.undisturbed
    whole = alone.results()
    assert whole.keys() == WRITTEN
    for number, moment in enumerate(moments):
        desk = trial.desk(f"{name}-{number}")
        process = trial.begin(desk)
        time.sleep(moment * trial.seconds)
        with suppress(ProcessLookupError):  # a quick one may have ended already
            os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
        assert desk.results().items() <= whole.items(), "what is there is whole"
        assert not desk.cache.exists() or desk.kept() <= trial.bound
        kept = {entry.key for entry in Store(desk.cache).entries() if not entry.unfinished}
        assert all(Store(desk.cache).read(key) is not None for key in kept)

        trial.finish(desk)
        assert desk.results() == whole
        assert not desk.unfinished()
        assert desk.kept() <= trial.bound
        assert desk.count("made").keys() == alone.count("made").keys()
        assert max(desk.count("begun").values()) <= 2
        twice = [stage.split() for stage, times in desk.count("made").items() if times == 2]
        assert not [stage for stage in twice if stage[1] in kept], "what was kept is not made again"
        assert len([stage for stage in twice if stage[2] == "True"]) <= 1, "only what was just being written"


def test_an_edit_that_is_killed_ends_as_if_it_had_not_been(trial: Trial) -> None:
    chance = random.Random(1)
    kill_and_go_on(trial, [chance.uniform(0.1, 0.9) for _ in range(3)], "few")


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_an_edit_that_is_killed_at_forty_moments_ends_as_if_it_had_not_been(trial: Trial) -> None:
    chance = random.Random(2)
    kill_and_go_on(trial, [chance.random() for _ in range(40)], "many")


def test_two_edits_at_once_make_each_stage_once(trial: Trial) -> None:
    desk, alone = trial.desk("both"), trial.undisturbed
    for process in [trial.begin(desk), trial.begin(desk)]:
        trial.finish(desk, process)
    assert desk.results() == alone.results()
    assert not desk.unfinished()
    assert desk.kept() <= trial.bound
    begun = desk.count("begun")
    assert begun.keys() == alone.count("begun").keys()
    assert all(times == 1 for stage, times in begun.items() if stage.endswith("True")), "what is kept is made by one"
