"""Several threads: they load one after the other, and share a model in turns, with the results of one thread alone."""

from __future__ import annotations

import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import vedit
from vedit.adapters.loading import load_backbone
from vedit.backbone import Backbone
from vedit.backbone.meta_device import MetaParameters
from vedit.clip import Clip, read_clip
from vedit.errors import VeditWarning
from vedit.warning_filters import filtered


def together(*jobs: Callable[[], object]) -> list[object]:
    """What jobs come to that begin at the same moment, each in a thread of its own."""
    results: list[object] = [None] * len(jobs)
    faults: list[BaseException] = []
    start = threading.Barrier(len(jobs))

    def work(index: int, job: Callable[[], object]) -> None:
        try:
            start.wait()
            results[index] = job()
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=work, args=each) for each in enumerate(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]
    return results


@pytest.fixture
def backbone(toy_model: Path) -> Backbone:
    return load_backbone(toy_model, device="cpu")


@pytest.fixture
def clip(toy_clip: Path) -> Clip:
    return read_clip(toy_clip, frames=3)


def test_threads_that_share_a_model_get_what_each_would_alone(backbone: Backbone, clip: Clip) -> None:
    def edit(prompt: str, **settings: object) -> Callable[[], Tensor]:
        given = {"steps": 3, "cache": False, "check_inversion": False, **settings}
        return lambda: vedit.edit(backbone, clip, prompt, **given).clip.frames

    jobs = [
        edit("a cat", source_prompt="red", attention="full"),
        edit("a dog in the snow", attention="per_frame", inject=0.0, mask="none"),
        lambda: vedit.generate(backbone, "a cat", frames=2, steps=3, attention="full").clip.frames,
        lambda: backbone.predict(torch.ones(1, 2, 4, 8, 8), 10, backbone.embed(["a cat"])),
    ]
    alone = [job() for job in jobs]
    for found, expected in zip(together(*jobs), alone, strict=True):
        assert torch.equal(found, expected)  # type: ignore[arg-type]


def test_one_edits_while_another_tunes(toy_model: Path, clip: Clip) -> None:
    """Tuning borrows the model: an edit sees it as it is before and after, whichever comes first."""

    def edited(backbone: Backbone) -> Tensor:
        return vedit.edit(
            backbone, clip, "a cat", steps=2, cache=False, check_inversion=False, attention="full"
        ).clip.frames

    backbone = load_backbone(toy_model, device="cpu")
    before = edited(backbone)
    found, _ = together(
        lambda: edited(backbone), lambda: vedit.tune(backbone, clip, "red", steps=2, learning_rate=1e-2)
    )
    after = edited(backbone)
    assert torch.equal(before, after)
    assert torch.equal(found, before)  # type: ignore[arg-type]


def test_threads_may_each_load_and_use_a_model_of_their_own(toy_model: Path, sd2: Path, clip: Clip) -> None:
    def edit(model: Path) -> Callable[[], Tensor]:
        given = {"steps": 2, "cache": False, "check_inversion": False, "device": "cpu"}
        return lambda: vedit.edit(model, clip, "a cat", source_prompt="red", **given).clip.frames

    jobs = [edit(toy_model), edit(sd2)]
    alone = [job() for job in jobs]
    for found, expected in zip(together(*jobs), alone, strict=True):
        assert torch.equal(found, expected)  # type: ignore[arg-type]


def test_threads_that_load_at_the_same_time_in_a_new_process(toy_model: Path) -> None:
    code = f"""
from tests.test_threads import together
import vedit
one, other = together(*[lambda: vedit.load_backbone({str(toy_model)!r}, device="cpu")] * 2)
assert one is not other
from tests.backbone.toys import same
assert same(one, other)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_model_without_weights_is_made_in_one_thread_alone() -> None:
    with MetaParameters():
        ours = nn.BatchNorm2d(4)
        theirs = together(lambda: nn.BatchNorm2d(4))[0]
    assert isinstance(theirs, nn.Module)
    assert ours.weight is not None
    assert ours.weight.is_meta
    assert ours.running_var is not None
    assert torch.equal(ours.running_var, torch.ones(4)), "buffers are real"
    assert not any(each.is_meta for each in theirs.parameters())
    assert not nn.Linear(1, 1).weight.is_meta


def test_warnings_are_as_before_when_several_threads_filter_them() -> None:
    before = list(warnings.filters)

    def filter_them() -> None:
        for _ in range(200):
            with filtered("ignore", VeditWarning):
                warnings.warn("not heard", VeditWarning, stacklevel=1)

    together(*[filter_them] * 4)
    assert list(warnings.filters) == before
