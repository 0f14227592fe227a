"""Batches from Python, and the example that ships."""

from __future__ import annotations

from pathlib import Path

import pytest

import vedit
from tests.batches.conftest import Write
from vedit.batches.prepare import open_batch

EXAMPLE = Path(__file__).parents[2] / "examples" / "restyle.yaml"


def test_a_batch_from_python(write_batch: Write) -> None:
    result = vedit.batch(write_batch(prompt=["a cat", "a dog"]), "made", settings={"frames": 1}, only=["*cat"])
    assert result.done == ("toy/a-cat",)
    assert result.left == ("toy/a-dog",)
    assert result.failed == {}
    assert result.page == Path("made/index.html").resolve()
    assert vedit.probe("made/toy/a-cat.mp4").frames == 1


def test_what_is_wrong_is_raised(write_batch: Write) -> None:
    with pytest.raises(vedit.ConfigError, match=r"looks.yaml:\d+: .*steps.*'many' is not a whole number"):
        vedit.batch(write_batch(prompt=["a cat"], steps=["many"]))
    assert [path.name for path in Path().iterdir()] == ["looks.yaml"]


def test_the_example_is_twenty_edits_of_four_clips() -> None:
    opened = open_batch(EXAMPLE)
    assert opened.faults == ()
    names = [job.job.name for job in opened.jobs]
    assert len(names) == 20
    assert names[:5] == ["star/snow", "star/rain", "star/stone", "star/sketch", "star/neon"]
    walker = next(job.job.config for job in opened.jobs if job.job.name == "walker/neon")
    assert walker.prompt == "neon of a yellow person moving right over brick"
    assert walker.source_prompt == "a yellow person moving right over brick"
    inversions = {stage.key for job in opened.jobs for stage in job.stages if stage.title == "inversion"}
    assert len(inversions) == 4
