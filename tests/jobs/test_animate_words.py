"""A picture set in motion as words say."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
import torch

from tests.conftest import Ran
from tests.motion.generated.making import flow_diffusion_folder
from vedit.adapters.loading import load_backbone
from vedit.clip import Clip
from vedit.jobs.animate import AnimateResult, animate

Command = Callable[..., Ran]


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """A red square on a grey ground, 64 x 48 pixels."""
    frame = torch.linspace(0.3, 0.6, 64).expand(3, 48, 64).clone()
    frame[:, 16:32, 8:24] = torch.tensor([0.9, 0.1, 0.1])[:, None, None]
    Clip(frame[None], Fraction(8)).save(tmp_path / "square")
    return tmp_path / "square" / "00000.png"


@pytest.fixture
def talking_model(toy_model: Path, tmp_path: Path) -> Path:
    """A model that brings a flow diffusion."""
    model = tmp_path / "model"
    shutil.copytree(toy_model, model)
    flow_diffusion_folder(model / "flows")
    notes = model / "vedit.json"
    told = json.loads(notes.read_text()) if notes.is_file() else {}
    notes.write_text(json.dumps({**told, "motion_words": "flows"}))
    return model


def test_the_model_says_how_the_picture_moves_where_nothing_else_does(talking_model: Path, scene: Path) -> None:
    backbone = load_backbone(talking_model)

    def made(**settings: object) -> AnimateResult:
        return animate(backbone, scene, **{"frames": 3, "steps": 2, "prompt": "a red cat", **settings})  # type: ignore[arg-type]

    result = made()
    assert result.motion.forward[2].abs().max() > 0
    assert result.motion.forward[0].abs().max() == 0
    assert torch.equal(made().clip.frames, result.clip.frames)
    assert not torch.equal(made(seed=5).motion.forward, result.motion.forward)
    assert not torch.equal(made(prompt="a cat on").motion.forward, result.motion.forward)
    for still in ({"motion_words": "none"}, {"prompt": ""}):
        assert made(**still).motion.forward.abs().max() == 0


def test_strokes_and_clips_come_before_words(talking_model: Path, scene: Path, tmp_path: Path) -> None:
    strokes = tmp_path / "strokes.yaml"
    strokes.write_text("version: 1\nsize: [64, 48]\n")
    settings = {"frames": 2, "steps": 1, "prompt": "a red cat", "motion_strokes": strokes}
    assert animate(load_backbone(talking_model), scene, **settings).motion.forward.abs().max() == 0


def test_a_folder_may_be_named(vedit: Command, toy_model: Path, scene: Path, tmp_path: Path) -> None:
    folder = flow_diffusion_folder(tmp_path / "mine", seed=2)
    flags = ("--model", toy_model, "--frames", 2, "--steps", 1)
    named = ("-p", "a cat", "--motion-words", folder)
    assert vedit("animate", scene, *flags, *named, "-o", tmp_path / "a.mp4").status == 0
    again = vedit("rerun", tmp_path / "a.yaml", "-o", tmp_path / "b.mp4")
    assert again.status == 0, again.err
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_what_cannot_be_is_one_line(vedit: Command, toy_model: Path, scene: Path, tmp_path: Path) -> None:
    folder = flow_diffusion_folder(tmp_path / "mine")
    (tmp_path / "s.yaml").write_text("version: 1\nsize: [64, 48]\n")

    def complaint(*flags: object) -> str:
        return vedit("animate", scene, "--model", toy_model, "--steps", 1, *flags).complaint

    assert "there is none; give a --prompt" in complaint("--motion-words", folder)
    assert "no folder of a flow diffusion" in complaint("--motion-words", "no-such", "-p", "a cat")
    assert "is of something else" in complaint("--motion-words", toy_model / "unet", "-p", "a cat")
    both = ("--motion-words", folder, "--motion-strokes", tmp_path / "s.yaml", "-p", "a cat")
    assert "motion_strokes and motion_words exclude each other" in complaint(*both)
