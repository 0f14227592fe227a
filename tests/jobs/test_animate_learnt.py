"""A picture set in motion by what is learnt of strokes, with small networks of random weights."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
import torch

from tests.conftest import Ran
from tests.motion.learnt.making import learnt_folder
from tests.motion.test_moving import going_right
from vedit.adapters.loading import load_backbone
from vedit.clip import Clip
from vedit.clip.images import read_picture
from vedit.jobs.animate import animate
from vedit.jobs.edit import edit
from vedit.motion.learnt.folder import COMPLETION, CONTROL

Command = Callable[..., Ran]


@pytest.fixture(scope="module")
def learnt(toy_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both networks, for the small model."""
    return learnt_folder(tmp_path_factory.mktemp("learnt") / "strokes", load_backbone(toy_model))


@pytest.fixture
def taught(toy_model: Path, learnt: Path, tmp_path: Path) -> Path:
    """The small model, which brings them."""
    folder = tmp_path / "taught"
    shutil.copytree(toy_model, folder)
    shutil.copytree(learnt, folder / "strokes")
    (folder / "vedit.json").write_text(json.dumps({"motion_strokes": "strokes"}))
    return folder


COMMON = {"frames": 3, "steps": 4, "prompt": "a red square"}


def test_a_model_that_brings_them_uses_them_and_one_that_does_not_does_not(
    toy_model: Path,
    taught: Path,
    picture: Path,
    strokes: Path,
) -> None:
    plain = animate(load_backbone(toy_model), picture, motion_strokes=strokes, **COMMON)
    own = animate(load_backbone(taught), picture, motion_strokes=strokes, **COMMON)
    assert not torch.equal(own.motion.forward, plain.motion.forward)
    off = {"motion_field": "rigid", "motion_control": "none"}
    without = animate(load_backbone(taught), picture, motion_strokes=strokes, **COMMON, **off)
    assert torch.equal(without.clip.frames, plain.clip.frames)


@pytest.mark.parametrize("how", ["together", "roll_out"])
def test_the_same_seed_gives_the_same_clip_and_another_another(
    toy_model: Path,
    learnt: Path,
    picture: Path,
    strokes: Path,
    how: str,
) -> None:
    common = {**COMMON, "motion_strokes": strokes, "motion_model": learnt, "motion_control": how}
    backbone = load_backbone(toy_model)
    one = animate(backbone, picture, **common).clip.frames
    again = animate(load_backbone(toy_model), picture, **common).clip.frames
    assert torch.equal(one, again)
    assert torch.equal(one[0], read_picture(picture))
    assert bool(torch.isfinite(one).all())
    assert not torch.equal(animate(backbone, picture, **common, seed=1).clip.frames[1:], one[1:])
    without = animate(backbone, picture, **{**common, "motion_control": "none"}).clip.frames
    assert not torch.equal(without, one)


def test_the_first_frames_of_a_longer_roll_out_are_those_of_a_shorter(
    toy_model: Path,
    learnt: Path,
    picture: Path,
    tmp_path: Path,
) -> None:
    still = tmp_path / "still.yaml"
    still.write_text("version: 1\nsize: [64, 48]\nstrokes: [{points: [[15, 23], [19, 23]], times: [0, 1], radius: 10}]")
    common = {"motion_strokes": still, "motion_model": learnt, "motion_control": "roll_out", "steps": 2}
    common |= {"strength": 1.0, "motion_hold": 0.0, "still_hold": 0.0, "prior": "gaussian"}
    backbone = load_backbone(toy_model)
    short, long = (animate(backbone, picture, **common, frames=frames).clip.frames for frames in (3, 4))
    assert torch.equal(long[:3], short)


def test_a_roll_out_sees_the_frame_before(toy_model: Path, learnt: Path, picture: Path, strokes: Path) -> None:
    """Told once in words that vary in time, its later frames differ by what the earlier ones have become."""
    backbone = load_backbone(toy_model)
    common = {**COMMON, "motion_strokes": strokes, "motion_model": learnt, "motion_control": "roll_out"}
    common |= {"still_hold": 0.0, "motion_hold": 0.0, "strength": 1.0}
    one = animate(backbone, picture, **common).clip.frames
    dark = Clip(read_picture(picture)[None] * 0.5, Fraction(8))
    other = animate(backbone, dark, **common).clip.frames
    assert not torch.allclose(one[2], other[2], atol=0.01)


def test_in_an_edit_things_are_found_by_the_network(toy_model: Path, learnt: Path, tmp_path: Path) -> None:
    frames, _ = going_right()
    new = tmp_path / "new.yaml"
    new.write_text("version: 1\nsize: [64, 48]\nstrokes: [{points: [[15, 23], [15, 33]], radius: 12}]\n")
    common = {"source_prompt": "a square", "steps": 2, "size": 64, "check_inversion": False, "motion_strokes": new}
    clip, backbone = Clip(frames, Fraction(8)), load_backbone(toy_model)
    plain = edit(backbone, clip, "a square", **common)
    told = edit(backbone, clip, "a square", **common, motion_model=learnt)
    assert not torch.equal(plain.clip.frames, told.clip.frames)


@pytest.mark.parametrize("how", ["together", "roll_out"])
def test_what_it_costs_is_told_before(
    vedit: Command,
    taught: Path,
    picture: Path,
    strokes: Path,
    how: str,
) -> None:
    flags = ("--motion-strokes", strokes, "--model", taught, "--steps", 4, "--motion-control", how, "--dry-run")
    ran = vedit("animate", picture, *flags)
    assert ran.status == 0, ran.err
    assert "ControlNet motion" in ran.out


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--motion-field", "learnt"), "needs a network that completes flow, and the model brings nothing"),
        (("--motion-control", "roll_out"), "needs the ControlNet `motion`, and the model brings nothing"),
        (("--motion-control", "sideways"), "together"),
        (("--motion-model", "nowhere"), "'nowhere' is no folder with neither"),
    ],
)
def test_what_is_not_there_is_one_line(
    vedit: Command,
    toy_model: Path,
    picture: Path,
    strokes: Path,
    flags: tuple[str, str],
    said: str,
) -> None:
    assert said in vedit("animate", picture, "--motion-strokes", strokes, "--model", toy_model, *flags).complaint


def test_networks_that_do_not_fit_are_one_line(
    vedit: Command,
    toy_model: Path,
    learnt: Path,
    picture: Path,
    strokes: Path,
    tmp_path: Path,
) -> None:
    flags = ("--motion-strokes", strokes, "--model", toy_model, "--frames", 2, "--steps", 1, "-o", tmp_path / "o.mp4")
    bad = tmp_path / "bad"
    shutil.copytree(learnt, bad)
    config = bad / COMPLETION / "config.json"
    config.write_text(config.read_text().replace('"side": 64', '"side": 1'))
    assert "side is 1; it should be" in vedit("animate", picture, *flags, "--motion-model", bad).complaint
    shutil.copytree(learnt / COMPLETION, bad / COMPLETION, dirs_exist_ok=True)
    config = bad / CONTROL / "config.json"
    config.write_text(config.read_text().replace('"conditioning_channels": 6', '"conditioning_channels": 3'))
    said = vedit("animate", picture, *flags, "--motion-model", bad).complaint
    assert "do not fit" in said or "channels" in said
    assert "looks at a picture" in vedit("generate", "a cat", "--motion-strokes", strokes, "--model", toy_model,
                                         "--motion-field", "learnt").complaint  # fmt: skip


def test_a_motion_net_is_no_control_of_pictures(vedit: Command, toy_model: Path, learnt: Path, toy_clip: Path) -> None:
    net = f"edge:1:net={learnt / CONTROL}"
    assert "looks at pictures of 6 channels" in vedit("edit", toy_clip, "a cat", "--model", toy_model, "--steps", 1,
                                                      "--control", net).complaint  # fmt: skip
