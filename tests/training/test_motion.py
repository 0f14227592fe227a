"""Motion modules of one's own: learnt from a folder of clips and captions, for any model."""

from __future__ import annotations

import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from diffusers import MotionAdapter

from tests.conftest import Ran
from training import pool
from training.captions import save_tokenizer
from training.data import FRAMES
from training.diffusion import READING_FILE, train_unet
from training.loop import Recipe
from training.motion import FAINT, LED, UNDECIDED, drawn_times, main
from training.presets import PRESETS
from training.vae import build
from vedit import Clip, load_backbone
from vedit.schedule import alpha_bar


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    def run(*arguments: object) -> None:
        given = ["training.motion", "--out", tmp_path / "runs", *arguments]
        monkeypatch.setattr(sys, "argv", [str(each) for each in given])
        main()

    return run


def moving_square(direction: int) -> Clip:
    frames = torch.zeros(10, 3, 64, 64)
    for number, frame in enumerate(frames):
        left = 20 + direction * 2 * number
        frame[:, 20:40, left : left + 16] = 1
    return Clip(frames, Fraction(8))


def test_clips_with_captions_teach_motion(
    toy_model: Path, tmp_path: Path, train: Callable[..., None], vedit: Callable[..., Ran]
) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    for name, direction in (("left", -1), ("right", 1)):
        moving_square(direction).save(clips / f"{name}.mp4")
        (clips / f"{name}.txt").write_text(f"a square moving {name}\n")
    (clips / "alone.txt").write_text("a caption without a clip")
    made = tmp_path / "made"
    asked = ["--model", toy_model, "--clips", clips, "--frames", 8, "--batch", 2, "--modules", made]
    train(*asked, "--steps", 2)
    begun = MotionAdapter.from_pretrained(made).state_dict()
    train(*asked, "--steps", 4)  # goes on from the checkpoint
    learnt = MotionAdapter.from_pretrained(made).state_dict()
    assert any(not torch.equal(learnt[name], begun[name]) for name in learnt)
    backbone = load_backbone(toy_model, motion_adapter=made)
    assert backbone.layers.has_motion
    own = alpha_bar(load_backbone(toy_model).scheduler_config)
    assert torch.equal(alpha_bar(backbone.scheduler_config), own)  # what they were trained with
    ran = vedit("generate", "a square", "--model", toy_model, "--motion-adapter", made, "--frames", 3, "--steps", 2,
                "-o", tmp_path / "out.mp4")  # fmt: skip
    assert ran.status == 0, ran.err


def test_the_miniature_s_layers_and_its_modules_are_taught_one_after_the_other(
    tmp_path: Path, train: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, pools, runs = tmp_path / "model", tmp_path / "pools", tmp_path / "diffusion"
    torch.manual_seed(0)
    vae = build(PRESETS["small"])
    save_tokenizer(model / "tokenizer")
    vae.save_pretrained(model / "vae")
    monkeypatch.setattr(pool, "SHARD", 2)
    monkeypatch.setattr(pool, "TOGETHER", 2)
    pool.fill(pools, vae, model / "tokenizer", FRAMES, 2)
    recipe = Recipe(1, learning_rate=1e-3)
    train_unet(model, pool.read_pool(pools, FRAMES), runs, PRESETS["small"], recipe, 2, None, compiled=False)
    train("--model", model, "--pools", pools, "--reading", runs / READING_FILE, "--batch", 2, "--steps", 2)
    assert load_backbone(model).layers.has_motion


def test_a_folder_without_captions_is_refused(toy_model: Path, tmp_path: Path, train: Callable[..., None]) -> None:
    moving_square(1).save(tmp_path / "alone.mp4")
    with pytest.raises(SystemExit, match="caption"):
        train("--model", toy_model, "--clips", tmp_path, "--frames", 8, "--modules", tmp_path / "made")


def test_of_some_clips_one_frame_alone_is_seen_well() -> None:
    share, seen = drawn_times(4000, 8, torch.Generator().manual_seed(0))
    assert share.shape == seen.shape == (4000, 8)
    assert ((share >= 0) & (share < 1) & (seen >= 0) & (seen <= 1)).all()
    led = (share != share[:, -1:]).any(1) | (share != share[:, :1]).any(1)
    assert led.float().mean().item() == pytest.approx(LED, abs=0.03)
    clear = share[led] < UNDECIDED
    assert (clear.sum(1) == 1).all()
    assert (seen[led][clear] == 1).all()
    dim = (seen[~led] < 1).all(1)
    assert dim.float().mean().item() == pytest.approx(FAINT / (1 - LED), abs=0.03)
    assert (share[~led][dim] >= UNDECIDED).all()
    assert 0.15 < (seen[:, 0] == 0).float().mean().item() / (FAINT + LED) < 0.25
