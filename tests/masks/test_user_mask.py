"""Masks from boxes, pictures and videos."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
import torch

from vedit.clip import Clip
from vedit.config import ClipSettings
from vedit.errors import ConfigError, MediaError
from vedit.masks import box_mask, fit_mask, read_mask

SIZE = (32, 48)


def painted(path: Path, frames: int) -> Path:
    """A mask of which frame i is white in the i-th column of 4 pixels."""
    pictures = torch.zeros(frames, 3, *SIZE)
    for index in range(frames):
        pictures[index, ..., 4 * index : 4 * index + 4] = 1
    Clip(pictures, Fraction(8)).save(path)
    return path


def columns(mask: torch.Tensor) -> list[int]:
    """Which column of each frame is white."""
    return [int(frame[0].mean(0).argmax()) // 4 for frame in mask]


def test_a_box_is_in_pixels_or_in_shares() -> None:
    pixels = box_mask("box:12,8,24,16", SIZE, SIZE)
    assert pixels.sum() == 24 * 16
    assert (pixels[0, 0, 8:24, 12:36] == 1).all()
    assert torch.equal(box_mask("box:0.25,0.25,0.5,0.5", SIZE, SIZE), pixels)
    assert box_mask("box:0,0,1,1", SIZE, SIZE).all()
    assert box_mask("box:24,0,900,900", SIZE, SIZE).mean() == 0.5  # what lies beyond the picture is cut off


def test_a_box_at_another_size_covers_the_same_share() -> None:
    assert box_mask("box:3,5,7,9", SIZE, (8, 12)).sum() == pytest.approx(63 / 16)


@pytest.mark.parametrize("name", ["m.mp4", "m"])
def test_a_mask_of_the_whole_clip_is_cut_as_the_clip_is(name: str, tmp_path: Path) -> None:
    clip = ClipSettings(clip=Path("c.mp4"), frames=3, start=1, stride=2)
    mask = read_mask(painted(tmp_path / name, 8), clip, 8, 3, SIZE)
    assert mask.shape == (3, 1, *SIZE)
    assert columns(mask) == [1, 3, 5]
    assert 0.07 < mask.mean() < 0.1  # a codec's black is black


def test_a_mask_of_the_frames_that_are_edited_is_taken_as_it_is(tmp_path: Path) -> None:
    clip = ClipSettings(clip=Path("c.mp4"), frames=3, start=1, stride=2)
    assert columns(read_mask(painted(tmp_path / "m.mp4", 3), clip, 8, 3, SIZE)) == [0, 1, 2]


def test_one_picture_is_for_all_frames_at_any_size(tmp_path: Path) -> None:
    picture = painted(tmp_path / "m", 1) / "00000.png"
    mask = read_mask(picture, ClipSettings(clip=Path("c.mp4")), 8, 8, (16, 24))
    assert mask.shape == (1, 1, 16, 24)
    assert mask[..., :2].min() > 0.8
    assert mask[..., 4:].max() < 0.1


def test_another_number_of_frames_is_refused(tmp_path: Path) -> None:
    mask = painted(tmp_path / "m.mp4", 5)
    with pytest.raises(MediaError, match=r"has 5 frames; expected 8, those of the whole clip, or 3, those edited"):
        read_mask(mask, ClipSettings(clip=Path("c.mp4"), frames=3), 8, 3, SIZE)


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (torch.ones(2, 1, 4, 4), "expected floats of shape"),
        (torch.ones(4, 4), "expected floats of shape"),
        (torch.ones(3, 1, 4, 4, dtype=torch.bool), "expected floats of shape"),
        (2 * torch.ones(3, 1, 4, 4), "reaches from 2 to 2; expected 0 to 1"),
        (torch.full((1, 1, 4, 4), torch.nan), "expected 0 to 1"),
    ],
)
def test_a_tensor_that_is_no_mask_of_the_clip_is_refused(mask: torch.Tensor, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        fit_mask(mask, 3, SIZE)


def test_a_black_mask_is_refused() -> None:
    with pytest.raises(MediaError, match="black throughout"):
        fit_mask(torch.zeros(1, 1, 4, 4), 3, SIZE)
