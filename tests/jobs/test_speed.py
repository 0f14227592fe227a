"""What makes sampling quicker, in whole jobs: passes, what does not go together, and what a result tells of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import vedit
from tests.conftest import Ran
from tests.jobs.goals import steps_expected
from vedit import quality
from vedit.backbone import Backbone
from vedit.clip import Clip
from vedit.config import EditConfig, GenerateConfig
from vedit.errors import ConfigError, VeditWarning
from vedit.graph.work import OUTERMOST

Command = Callable[..., Ran]

THIRD = 1 / 3
"""Of the default edit's passes, that ``--fast`` may take."""


@pytest.fixture(autouse=True)
def _sure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality, "DOUBTFUL_CORRECTION", 1e9)  # an untrained network's inversions are all in doubt


def expected(clip: Path, model: Path, **settings: Any) -> float:
    """Passes of an edit of two frames, those of the outermost layers alone counted for what they are worth."""
    named = {"clip": clip, "frames": 2, "prompt": "a cat", "source_prompt": "a dog", "model": str(model)}
    return sum(steps_expected(EditConfig.model_validate({**named, "cache": False, **settings})).values())


@pytest.mark.filterwarnings("ignore::vedit.errors.VeditWarning")
def test_bundles_take_as_few_passes_as_they_are_to(toy_model: Path, toy_clip: Path) -> None:
    default, fast, preview = (expected(toy_clip, toy_model, **each) for each in ({}, {"fast": True}, {"preview": True}))
    assert fast <= THIRD * default
    assert preview < 0.8 * fast


@pytest.mark.filterwarnings("ignore::vedit.errors.VeditWarning")
def test_what_is_expected_is_what_an_edit_takes(
    backbone: Backbone, clip: Clip, toy_clip: Path, toy_model: Path
) -> None:
    ran, predict = {"whole": 0, "outermost": 0}, backbone.predict

    def counted(x: torch.Tensor, *others: Any, **named: Any) -> torch.Tensor:
        ran["outermost" if backbone.outermost_alone else "whole"] += len(x)
        return predict(x, *others, **named)

    backbone.predict = counted  # type: ignore[method-assign]
    told = vedit.edit(backbone, clip, "a cat", source_prompt="a dog", fast=True)
    passes = expected(toy_clip, toy_model, fast=True)
    assert ran["whole"] + OUTERMOST * ran["outermost"] == pytest.approx(passes)
    assert (told.config.steps, told.config.fast) == (10, True)


@pytest.mark.filterwarnings("ignore::vedit.errors.VeditWarning")
def test_an_edit_with_a_bundle_is_the_same_again_and_says_what_it_was(
    vedit: Command, toy_clip: Path, toy_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = ("edit", toy_clip, "a cat", "-p", "a dog", "-m", toy_model, "-f", 2, "--preview", "--steps", 4)
    dry = vedit(*asked, "--dry-run")
    assert "--preview" in dry.out
    assert "deep features kept" in dry.out
    ran = vedit(*asked, "-o", "one")
    assert ran.status == 0, ran.err
    assert "--preview: steps 4, guidance_interval 0-0.7, deep_cache 2, mask_samples 1" in ran.out
    written = yaml.safe_load((tmp_path / "one.yaml").read_text())
    assert (written["preview"], written["steps"], written["deep_cache"]) == (True, 4, 2)
    again = vedit("rerun", "one.yaml", "-o", "two")
    assert again.status == 0, again.err
    for number in range(2):
        name = f"{number:05}.png"
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_an_inverted_clip_comes_back_by_ddim_alone(vedit: Command, toy_clip: Path, toy_model: Path) -> None:
    said = vedit("edit", toy_clip, "a cat", "-m", toy_model, "--sampler", "dpm++").complaint
    assert "an inverted clip comes back by ddim alone, and dpm++ was asked for" in said


@pytest.mark.filterwarnings("ignore::vedit.errors.VeditWarning")
@pytest.mark.parametrize("sampler", ["dpm++", "lcm"])
def test_from_fresh_noise_the_sampler_is_free(backbone: Backbone, clip: Clip, sampler: str) -> None:
    made = [
        vedit.edit(
            backbone, clip, "a cat", prior="gaussian", steps=4, seed=seed, cache=False, sampler=sampler
        ).clip.frames
        for seed in (0, 0, 1)
    ]
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])


@pytest.mark.filterwarnings("ignore::vedit.errors.VeditWarning")
def test_a_result_is_named_by_all_of_these(toy_model: Path) -> None:
    from vedit.jobs.base import Given
    from vedit.jobs.generate import Generate
    from vedit.session import Session

    def key(**settings: Any) -> str:
        config = GenerateConfig.model_validate({"prompt": "a cat", "model": str(toy_model), "frames": 2, **settings})
        return Generate().goal(config, Session(), Given()).stage.inputs["frames"].key  # type: ignore[union-attr]

    levers = ({}, {"sampler": "dpm++"}, {"sampler": "lcm"}, {"deep_cache": 2}, {"guidance_interval": "0-0.5"})
    assert len({key(**each) for each in levers}) == len(levers)
    spelt_out = {"steps": 12, "sampler": "dpm++", "deep_cache": 2, "guidance_interval": "0-0.7"}
    assert key(fast=True) == key(**spelt_out), "a bundle is its settings, under whatever name"


def test_lcm_is_for_models_made_for_it(backbone: Backbone) -> None:
    with pytest.warns(VeditWarning, match="the sampler lcm is for checkpoints and LoRAs made for it"):
        vedit.generate(backbone, "a cat", frames=1, steps=2, sampler="lcm")
    with pytest.raises(ConfigError, match="60 are too many for the sampler lcm"), pytest.warns(VeditWarning):
        vedit.generate(backbone, "a cat", frames=1, steps=60, sampler="lcm")
