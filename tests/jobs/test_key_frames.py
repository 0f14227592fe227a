"""Edits of key frames, with what lies between filled in."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
import torch
import yaml

import vedit
from tests.conftest import Ran
from tests.jobs.edits import edited
from tests.jobs.test_shots import two_shots
from tests.motion.spreading import square_clip
from vedit.adapters.loading import load_backbone
from vedit.backbone import Backbone
from vedit.backbone.outline import Attached
from vedit.clip import Clip, read_clip
from vedit.config import IN_MEMORY, EditConfig
from vedit.errors import ConfigError, VeditHint
from vedit.jobs.key_frames import check, check_count
from vedit.jobs.source import Footage
from vedit.stages import between

Command = Callable[..., Ran]
STAR = Path(__file__).parents[2] / "examples" / "star.mp4"
OPEN = {"mask": "none", "control": "none", "source_prompt": "a dog", "steps": 2}
FILLS = ("flow", "recursive", "tokens")


@pytest.fixture
def long_clip() -> Clip:
    """Seven frames: a square that goes to and fro."""
    frames = square_clip()
    return Clip(torch.cat([frames, frames.flip(0)[1:]]), Fraction(8))


@pytest.mark.parametrize("fill", FILLS)
def test_an_edit_of_key_frames_has_all_frames_and_repeats(backbone: Backbone, long_clip: Clip, fill: str) -> None:
    result = edited(backbone, long_clip, key_frames=3, fill=fill, **OPEN)
    assert len(result.clip) == 7
    assert (result.metrics["key_frames"], result.config.attention) == (3, "full")
    again = edited(backbone, long_clip, key_frames=3, fill=fill, **OPEN)
    assert torch.equal(again.clip.frames, result.clip.frames)
    for each in result.clip.frames:
        assert 0.01 < each.std() < 0.5


def test_key_frames_are_an_edit_of_their_own(backbone: Backbone, long_clip: Clip) -> None:
    """As of a clip that has no other frames."""
    result = edited(backbone, long_clip, key_frames=3, **OPEN)
    alone = edited(backbone, long_clip.with_frames(long_clip.frames[[0, 3, 6]]), attention="full", **OPEN)
    torch.testing.assert_close(result.clip.frames[[0, 3, 6]], alone.clip.frames, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("fill", FILLS)
def test_segments_do_not_depend_on_each_other(backbone: Backbone, long_clip: Clip, fill: str) -> None:
    frames = long_clip.frames.clone()
    frames[5] = frames[5].flip(1)
    first, other = (
        edited(backbone, clip, key_frames=3, fill=fill, **OPEN).clip.frames
        for clip in (long_clip, long_clip.with_frames(frames))
    )
    same = [0, 1, 2, 3, 6]
    assert torch.equal(first[same], other[same])
    assert not torch.equal(first[5], other[5])


@pytest.mark.parametrize("fill", FILLS)
def test_no_frame_depends_on_another_shot(backbone: Backbone, fill: str) -> None:
    clip = two_shots()
    both = edited(backbone, clip, key_frames=5, fill=fill, **OPEN)
    assert both.config.shots == "5"
    alone = edited(backbone, clip[:5], key_frames=2, fill=fill, **OPEN)
    torch.testing.assert_close(both.clip.frames[:5], alone.clip.frames, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "settings",
    [
        {"mask": "auto"},
        {"mask": "word:dog"},
        {"mask": "box:0,0,0.5,0.5"},
        {"prior": "flow_warped"},
        {"key_frames": "auto", "fill": "tokens"},
        {"key_frames": "auto", "strength": 0.5, "fill_strength": 1.0, "steps": 4},
        {"key_frames": 2, "fill": "recursive", "mask": "auto", "prior": "gaussian"},
        {"key_frames": 2, "fill": "recursive", "mask": "box:0,0,0.5,0.5", "guidance": "1+t"},
        {"attention": "sparse_causal", "inject": 0.0, "guidance": "1+t"},
        {"prompt_at": ["4:a red cat"], "seed": 3},
    ],
)
def test_other_settings_go_with_it(backbone: Backbone, long_clip: Clip, settings: dict[str, object]) -> None:
    told = {**OPEN, "key_frames": 3, **settings}
    result = edited(backbone, long_clip, **told)
    assert 2 <= result.metrics["key_frames"] < 7
    assert not torch.equal(result.clip.frames, long_clip.frames)


@pytest.mark.parametrize("fill", ["flow", "recursive"])
def test_a_clip_is_filled_in_in_parts(
    backbone: Backbone, long_clip: Clip, monkeypatch: pytest.MonkeyPatch, fill: str
) -> None:
    told = {**OPEN, "mask": "auto", "key_frames": 3, "fill": fill}
    whole = edited(backbone, long_clip, **told)
    monkeypatch.setattr(between, "TOGETHER", 3)
    parts = edited(backbone, long_clip, **told)
    torch.testing.assert_close(parts.clip.frames, whole.clip.frames, atol=1e-5, rtol=1e-5)
    assert between.parts_of(7) == 3


def test_what_a_mask_closes_is_the_clips_own(backbone: Backbone, long_clip: Clip) -> None:
    for fill in FILLS:
        told = {**OPEN, "mask": "box:0,0,0.5,1", "fill": fill}
        made = edited(backbone, long_clip, key_frames=3, **told).clip.frames
        assert torch.equal(made[..., 48:], long_clip.frames[..., 48:])


def test_the_command_the_sidecar_and_what_is_said(
    vedit: Command, toy_clip: Path, toy_model: Path, tmp_path: Path
) -> None:
    flags = ("--model", toy_model, "--steps", 3, "--control", "none", "-p", "a dog", "--key-frames", 3)
    ran = vedit("edit", toy_clip, "a cat", *flags, "-o", tmp_path / "out.mp4", "--json")
    assert ran.status == 0, ran.err
    assert json.loads(ran.out)["metrics"]["key_frames"] == 3
    sidecar = (tmp_path / "out.mp4").with_suffix(".yaml")
    told = yaml.safe_load(sidecar.read_text())
    assert (told["key_frames"], told["fill"], told["attention"]) == (3, "flow", "full")
    ran = vedit("rerun", sidecar, "-o", tmp_path / "again.mp4")
    assert ran.status == 0, ran.err
    assert "3 key frames were edited together" in " ".join((ran.out + ran.err).split())
    assert torch.equal(read_clip(tmp_path / "again.mp4").frames, read_clip(tmp_path / "out.mp4").frames)


def test_the_cost_is_told(vedit: Command, toy_clip: Path, toy_model: Path) -> None:
    edit = ("edit", toy_clip, "a cat", "--model", toy_model, "--steps", 10, "--dry-run")
    flow, recursive, tokens = (vedit(*edit, "--key-frames", 2, "--fill", fill).out for fill in FILLS)
    assert "denoising steps between key frames" in flow
    assert "denoising steps between key frames" in recursive
    assert "looks at the source's tokens" in tokens
    assert vedit(*edit, "--key-frames", "auto").status == 0


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--key-frames", 1), "auto, or how many"),
        (("--key-frames", "some"), "auto, or how many"),
        (("--key-frames", 5), "leave none of the 5 frames"),
        (("--key-frames", 3, "--window", 3), "key_frames and window exclude"),
        (("--key-frames", 3, "--attention", "flow"), "flow follows the motion"),
        (("--key-frames", 3, "--fill", "warp"), "--fill"),
        (("--key-frames", 3, "--fill-strength", 0), "--fill-strength"),
    ],
)
def test_key_frames_that_cannot_be(
    vedit: Command, toy_clip: Path, toy_model: Path, flags: tuple[object, ...], said: str
) -> None:
    assert said in vedit("edit", toy_clip, "a cat", "--model", toy_model, *flags, "--dry-run").complaint


def test_a_condition_that_looks_at_all_frames_wants_all_of_them(
    backbone: Backbone, long_clip: Clip, strokes: Path
) -> None:
    told = {**OPEN, "condition": [f"strokes:file={strokes}"], "key_frames": 3}
    with pytest.raises(ConfigError, match="looks at all frames together"):
        edited(backbone, long_clip, **told)
    assert edited(backbone, long_clip, fill="tokens", **told).metrics["key_frames"] == 3


def test_motion_modules_want_frames_that_follow_each_other(backbone: Backbone) -> None:
    config = EditConfig.model_validate({"clip": IN_MEMORY, "prompt": "a cat", "key_frames": 3})
    outline = backbone.outline()
    check(config, outline)
    with pytest.raises(ConfigError, match="motion modules join frames"):
        check(config, replace(outline, layers=Attached(motion=True)))


def test_what_is_filled_in_has_the_colours_of_its_key_frames() -> None:
    mini = load_backbone("mini", device="cpu", motion_adapter="none")
    told = {"source_prompt": "a red star over grass", "frames": 5, "steps": 8, "control": "none"}
    told |= {"check_inversion": False, "cache": False}
    made = vedit.edit(mini, STAR, "a red star over sand", key_frames=2, **told).clip.frames
    off = (made.mean((2, 3)) - made[:1].mean((2, 3))).abs().amax(1)
    assert off.max() < 0.01


def test_key_frames_that_are_too_many_or_lie_far_apart() -> None:
    """One in sixteen frames is enough, and as many as the hint says give none."""

    def asked(count: int) -> None:
        check_count(EditConfig.model_validate({"clip": "a.mp4", "prompt": "x", "key_frames": count}), footage)

    footage = Footage((64, 64), 100, 100, Fraction(8))
    with pytest.warns(VeditHint, match="5 lie 25 frames apart, .* take 8 or more, or --key-frames auto"):
        asked(5)
    asked(8)
    with pytest.raises(ConfigError, match="100 leave none of the 100 frames"):
        asked(100)
