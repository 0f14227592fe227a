"""The bar of a whole job."""

from pathlib import Path

import pytest

from tests.jobs.goals import steps_expected
from vedit.adapters.loading import load_backbone
from vedit.clip import read_clip
from vedit.config import EditConfig
from vedit.jobs.edit import edit
from vedit.progress import Display


def test_a_stage_counts_as_much_as_it_is_work() -> None:
    display = Display()
    display.expect({"tuning": 60, "inverting": 20, "denoising": 20})
    assert display.share("tuning", 1, 2) == (30, 100)
    assert display.share("inverting", 4, 4) == (50, 100)
    assert display.share("tuning", 2, 2) == (80, 100)


def test_what_is_passed_over_counts_no_more_and_what_was_not_expected_does() -> None:
    display = Display()
    display.expect({"finding where to edit": 10, "inverting": 30, "denoising": 60})
    assert display.share("finding where to edit", 8, 8) == (10, 100)
    assert display.share("denoising", 1, 2) == (40, 70)  # the inversion was in the cache
    assert display.share("decoding", 5, 5) == (45, 75)
    assert display.share("denoising", 2, 2) == (75, 75)


@pytest.mark.filterwarnings("ignore::vedit.errors.VeditWarning")
def test_the_stages_of_an_edit_are_those_expected_and_in_their_order(toy_model: Path, toy_clip: Path) -> None:
    told: dict[str, int] = {}
    settings = {"source_prompt": "a dog", "steps": 3, "inversion_corrections": 0, "tune": 1}
    edit(
        load_backbone(toy_model, device="cpu"), read_clip(toy_clip, frames=2), "a cat",
        progress=lambda stage, done, total: told.update({stage: total}), **settings,
    )  # fmt: skip
    named = {"clip": toy_clip, "frames": 2, "prompt": "a cat", "model": str(toy_model), "cache": False}
    config = EditConfig.model_validate({**named, **settings})
    assert list(told) == list(steps_expected(config))
