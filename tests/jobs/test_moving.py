"""Things of a clip that are given another way in an edit, and the camera that an edit is seen by."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from torch import Tensor

import world
from vedit.adapters.loading import load_backbone
from vedit.clip import Clip
from vedit.clip.sizes import resize
from vedit.jobs.edit import edit
from vedit.jobs.edit_result import EditResult

SCENE = world.Scene(
    (world.Object("circle", "red", "right", start=(30.0, 40.0), speed=5.0, radius=14.0),), "brick", texture=1000
)
LAST = 8


@dataclass(frozen=True)
class Shot:
    """A clip of the world whose circle goes to the right, and the same without it."""

    clip: Clip
    ground: Tensor
    circles: Tensor
    """(F, H, W) bool, where it is."""


@pytest.fixture(scope="module")
def shot() -> Shot:
    rendered, bare = world.render(SCENE, LAST + 1), world.render(replace(SCENE, objects=()), LAST + 1)
    clip = Clip(torch.from_numpy(rendered.frames), Fraction(8))
    return Shot(clip, torch.from_numpy(bare.frames), torch.from_numpy(rendered.masks[:, 0]) > 0)


def decibels(one: Tensor, other: Tensor) -> float:
    return float(-10 * (one - other).square().mean().clamp(min=1e-12).log10())


def edited(model: Path, clip: Clip | Path, folder: Path, strokes: str, **settings: object) -> EditResult:
    path = folder / "new.yaml"
    path.write_text(f"version: 1\nsize: [128, 128]\n{strokes}\n")
    common = {"source_prompt": "a circle", "steps": 2, "size": 128, "check_inversion": False, "control": ()}
    return edit(load_backbone(model), clip, "a circle", motion_strokes=path, **common, **settings)


DOWN = "strokes: [{points: [[30, 40], [30, 95]], radius: 20}]"


def test_where_a_thing_was_the_ground_of_other_frames_is_seen(toy_model: Path, shot: Shot, tmp_path: Path) -> None:
    result = edited(toy_model, shot.clip, tmp_path, DOWN)
    frame, hole = result.clip.frames[LAST], shot.circles[LAST]
    assert decibels(frame[:, hole], shot.ground[LAST][:, hole]) > 28
    there = torch.zeros_like(hole)
    there[70:, :60] = True
    rest = ~hole & ~there
    assert decibels(frame[:, rest], shot.ground[LAST][:, rest]) > 28
    assert result.metrics["edited_share"] < 0.3
    assert torch.equal(result.source.whole().frames, shot.clip.frames), "the source is the clip as it was given"


def test_a_clip_larger_than_it_is_worked_on_is_moved_too(toy_model: Path, shot: Shot, tmp_path: Path) -> None:
    large = Clip(resize(shot.clip.frames, (256, 256)), Fraction(8))
    large.save(tmp_path / "large")
    result = edited(toy_model, tmp_path / "large", tmp_path, DOWN)
    frame, hole = result.clip.frames[LAST], shot.circles[LAST]
    assert result.clip.size == (256, 256)
    wanted = resize(shot.ground[LAST, None], (256, 256))[0]
    large_hole = hole.repeat_interleave(2, 0).repeat_interleave(2, 1)
    assert decibels(frame[:, large_hole], wanted[:, large_hole]) > 26
    assert decibels(frame[:, :60, 220:], wanted[:, :60, 220:]) > 40
    assert decibels(result.source.whole().frames, large.frames) > 45


def test_an_edit_may_have_a_camera_of_its_own(toy_model: Path, shot: Shot, tmp_path: Path) -> None:
    result = edited(toy_model, shot.clip, tmp_path, "camera: {pan: [-16, 0]}")
    assert torch.equal(result.clip.frames[0], shot.clip.frames[0])
    assert decibels(result.clip.frames[LAST][:, :, :90], shot.clip.frames[LAST][:, :, 16:106]) > 40
    came_into_view = result.clip.frames[LAST][:, :, 120:]
    assert bool(torch.isfinite(came_into_view).all())
    assert result.metrics["edited_share"] < 0.2
