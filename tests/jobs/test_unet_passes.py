"""What the default edit may cost, counted in passes of the UNet for one branch."""

from pathlib import Path

import pytest

import vedit
from benchmarks.passes import counting
from tests.jobs.goals import steps_expected
from vedit import quality
from vedit.config import EditConfig

STAR = Path(__file__).parents[2] / "examples" / "star.mp4"
SHOWN = "a red star moving left over grass"

MOST = 150
"""Passes that the first default edit of a clip may take: those of plain inversion and guided sampling in 50 steps."""


@pytest.mark.filterwarnings("ignore::vedit.errors.VeditWarning")
def test_a_default_edit_is_no_more_work_than_the_original(
    toy_model: Path, toy_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quality, "DOUBTFUL_CORRECTION", 1e9)  # an untrained network's inversions are all in doubt
    backbone, clip = vedit.load_backbone(toy_model, device="cpu"), vedit.read_clip(toy_clip, frames=2)
    settings = {"source_prompt": "a dog"}
    with counting(backbone) as first:
        vedit.edit(backbone, clip, "a cat", **settings)
    assert first.branches == {"mask": 16, "inversion": 26, "denoising": 59}
    assert first.passes <= MOST
    named = {"clip": toy_clip, "frames": 2, "prompt": "a cat", "model": str(toy_model), "cache": False}
    config = EditConfig.model_validate({**named, **settings})
    assert sum(steps_expected(config).values()) == first.passes
    with counting(backbone) as second:
        vedit.edit(backbone, clip, "a dog that runs", **settings)
    assert "inversion" not in second.branches
    assert second.passes == first.passes - first.branches["inversion"]


def test_no_more_with_the_models_own_controls_and_two_changes() -> None:
    backbone, clip = vedit.load_backbone("mini", device="cpu"), vedit.read_clip(STAR, frames=2)
    with counting(backbone) as first:
        config = vedit.edit(backbone, clip, "a blue star moving left over sand", source_prompt=SHOWN).config
    assert config.control  # both changes repaint
    assert first.branches["mask"] == 32  # the source, the edit, and each change alone
    assert first.passes <= MOST
