"""Flow diffusion, learnt from the world and from clips with captions, and used by `animate`."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.conftest import Ran
from tests.training.test_motion import moving_square
from training.flow_diffusion import main
from vedit.backbone.notes import read_notes
from vedit.motion.generated.network import load_flow_diffusion


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    def run(*arguments: object) -> None:
        given = ["training.flow_diffusion", "--out", tmp_path / "runs", "--channels", 8, 8, "--batch", 2, *arguments]
        monkeypatch.setattr(sys, "argv", [str(each) for each in given])
        main()

    return run


def test_clips_with_captions_teach_it_and_the_model_brings_it(
    toy_model: Path, tmp_path: Path, train: Callable[..., None], vedit: Callable[..., Ran]
) -> None:
    model, clips = tmp_path / "model", tmp_path / "clips"
    shutil.copytree(toy_model, model)
    clips.mkdir()
    for name, direction in (("left", -1), ("right", 1)):
        moving_square(direction).save(clips / f"{name}.mp4")
        (clips / f"{name}.txt").write_text(f"a square moving {name}\n")
    train("--model", model, "--clips", clips, "--frames", 4, "--cells", 8, "--steps", 2)
    assert read_notes(model).motion_words == "flow_diffusion"
    begun = load_flow_diffusion(model / "flow_diffusion", 12).state_dict()
    train("--model", model, "--clips", clips, "--frames", 4, "--cells", 8, "--steps", 3)  # goes on from the checkpoint
    learnt = load_flow_diffusion(model / "flow_diffusion", 12).state_dict()
    assert any(not torch.equal(learnt[name], begun[name]) for name in learnt)
    assert json.loads((model / "flow_diffusion" / "config.json").read_text())["frames"] == 4


def test_the_world_teaches_it(toy_model: Path, tmp_path: Path, train: Callable[..., None]) -> None:
    folder = tmp_path / "made"
    train("--model", toy_model, "--scenes", 4, "--frames", 4, "--cells", 8, "--steps", 1, "--folder", folder)
    assert load_flow_diffusion(folder, 12).config.cells == 8


def test_a_folder_without_captions_is_refused(toy_model: Path, tmp_path: Path, train: Callable[..., None]) -> None:
    moving_square(1).save(tmp_path / "alone.mp4")
    with pytest.raises(SystemExit, match="caption"):
        train("--model", toy_model, "--clips", tmp_path, "--frames", 8, "--folder", tmp_path / "made")
