"""Edits under every kind of mask, from the command and from Python."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
import torch
import yaml

import vedit as package
from tests.conftest import Ran
from vedit.adapters.loading import load_backbone
from vedit.backbone import Backbone
from vedit.clip import Clip, read_clip
from vedit.errors import ConfigError, VeditWarning

Command = Callable[..., Ran]


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """A mask that is white on the left, for the toy clip's five frames."""
    pictures = torch.zeros(5, 3, 30, 46)
    pictures[..., :12] = 1
    Clip(pictures, Fraction(8)).save(tmp_path / "left.mp4")
    return tmp_path / "left.mp4"


def edited(backbone: Backbone, clip: Clip, mask: object, **settings: object) -> package.EditResult:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VeditWarning)
        return package.edit(backbone, clip, "a cat", mask=mask, steps=2, **settings)


def test_a_painted_mask_is_kept_to_and_travels_with_the_settings(
    vedit: Command, toy_model: Path, toy_clip: Path, left: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    common = ("edit", toy_clip, "a cat", "--model", toy_model, "--steps", 2, "--frames", 2, "--start", 1)
    ran = vedit(*common, "--mask", "left.mp4", "-o", "first.mp4")
    assert ran.status == 0, ran.err
    assert "The rest of the picture is kept" in ran.out
    assert yaml.safe_load((tmp_path / "first.yaml").read_text())["mask"] == "left.mp4"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert vedit("rerun", "../first.yaml", "-o", "second.mp4").status == 0
    assert Path("second.mp4").read_bytes() == (tmp_path / "first.mp4").read_bytes()
    assert yaml.safe_load(Path("second.yaml").read_text())["mask"] == str(left)


def test_a_file_may_be_called_as_a_mask_that_is_none(
    vedit: Command, toy_model: Path, toy_clip: Path, left: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_clip(left).save(tmp_path / "none")
    monkeypatch.chdir(tmp_path)
    common = ("edit", toy_clip, "a cat", "--model", toy_model, "--steps", 1)
    assert vedit(*common, "--mask", "./none", "-o", "o.mp4").status == 0
    assert yaml.safe_load((tmp_path / "o.yaml").read_text())["mask"] == "./none"
    ran = vedit("rerun", "o.yaml", "-o", "again.mp4")
    assert "The rest of the picture is kept" in ran.out
    assert (tmp_path / "again.mp4").read_bytes() == (tmp_path / "o.mp4").read_bytes()


def test_what_a_mask_leaves_alone_is_as_good_as_the_vaes_round_trip(toy_model: Path, toy_clip: Path) -> None:
    backbone, clip = load_backbone(toy_model, device="cpu"), read_clip(toy_clip, frames=2)
    mask = torch.zeros(1, 1, 30, 46)
    mask[..., :8] = 1
    kept, free = edited(backbone, clip, mask), edited(backbone, clip, "none")
    assert kept.metrics["outside_db"] > kept.metrics["outside_vae_db"] - 1
    assert 0 < kept.metrics["edited_share"] < 0.6
    assert not {"outside_db", "edited_share"} & free.metrics.keys()
    assert kept.metrics["inside_db"] < kept.metrics["outside_db"], "where the edit may change it, it does"
    assert free.metrics["inside_vae_db"] == free.metrics["vae_db"]
    assert not torch.equal(kept.clip.frames, free.clip.frames)
    box = edited(backbone, clip, "box:0,0,8,30")
    assert box.metrics["edited_share"] == pytest.approx(kept.metrics["edited_share"], abs=0.1)
    whole = edited(backbone, clip, torch.ones(2, 1, 30, 46))
    assert torch.allclose(whole.clip.frames, free.clip.frames, atol=1e-4)
    assert "outside_db" not in whole.metrics


def test_a_mask_in_memory_cannot_be_rerun(vedit: Command, toy_model: Path, toy_clip: Path, tmp_path: Path) -> None:
    backbone = load_backbone(toy_model, device="cpu")
    edited(backbone, toy_clip, torch.ones(1, 1, 8, 8), output=tmp_path / "o.mp4")
    assert yaml.safe_load((tmp_path / "o.yaml").read_text())["mask"] == "(in memory)"
    assert "the mask of these settings was in memory" in vedit("rerun", tmp_path / "o.yaml", "--overwrite").complaint


def test_a_word_needs_a_source_prompt(toy_model: Path, toy_clip: Path) -> None:
    backbone, clip = load_backbone(toy_model, device="cpu"), read_clip(toy_clip, frames=2)
    with pytest.raises(ConfigError, match="give one with --source-prompt"):
        edited(backbone, clip, "word:cat")
    assert "edited_share" in edited(backbone, clip, "word:dog", source_prompt="a dog").metrics
