"""A source and its edit as one clip: what is written is decoded, and each half is what it was made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.clip.making import NTSC, hum, picture_clip
from vedit.clip import Clip, read_clip
from vedit.clip.lazy import LazyClip
from vedit.compare import MOST, compare, composed, shown_size
from vedit.config import CompareLayout
from vedit.errors import MediaError


def pair(count: int = 7, size: tuple[int, int] = (300, 260), rate: Fraction = NTSC) -> tuple[Clip, Clip]:
    """A clip with sound, and the same with its red and blue exchanged."""
    source = replace(picture_clip(count, size, rate), audio=hum(float(count / rate)))
    return source, source.with_frames(source.frames.flip(1))


def near(seen: Tensor, meant: Tensor) -> bool:
    """Equal within what the codec loses."""
    return float((seen - meant).abs().mean()) < 0.01


@pytest.mark.parametrize("layout", ["side", "wipe", "stack"])
def test_frames_rate_sound_and_both_pictures_survive(tmp_path: Path, layout: CompareLayout) -> None:
    source, edited = pair()
    compare(source, edited, tmp_path / "c.mp4", layout=layout)
    seen = read_clip(tmp_path / "c.mp4")
    assert (len(seen), seen.rate) == (7, NTSC)
    assert seen.audio is not None
    assert abs(seen.audio.duration - edited.duration) <= 1 / NTSC
    assert all(side % 2 == 0 for side in seen.size)
    height, width = source.size
    strip = (seen.size[0] - height * (2 if layout == "stack" else 1)) // (2 if layout == "stack" else 1)
    if layout == "side":
        assert near(seen.frames[:, :, strip:, :width], source.frames)
        assert near(seen.frames[:, :, strip:, -width:], edited.frames)
    elif layout == "stack":
        assert near(seen.frames[:, :, strip : strip + height], source.frames)
        assert near(seen.frames[:, :, -height:], edited.frames)
    else:  # whatever the line does, it stays off the edges
        assert near(seen.frames[:, :, strip:, :8], source.frames[..., :8])
        assert near(seen.frames[:, :, strip:, -8:], edited.frames[..., -8:])
    assert seen.frames[:, :, :strip].amax() > 0.7, "the labels"


def test_the_line_of_a_wipe_moves_over_the_picture(tmp_path: Path) -> None:
    source, edited = pair(16, rate=Fraction(8))
    pictures = composed(source, edited, "wipe")
    frames = [torch.from_numpy(each)[-100] for each in pictures]
    lines = [float((row.min(-1).values > 250).nonzero().float().mean()) for row in frames]
    assert max(lines) > 0.9 * 260
    assert min(lines) < 0.1 * 260
    assert max(abs(one - other) for one, other in pairwise(lines)) < 0.35 * 260


def test_a_small_picture_is_shown_larger_pixel_by_pixel() -> None:
    source, edited = pair(2, (32, 48))
    seen = torch.stack([torch.from_numpy(each) for each in composed(source, edited, "side")]).permute(0, 3, 1, 2) / 255
    times = 6
    shown = seen[:, :, -32 * times :: times, : 48 * times : times]
    assert (shown - source.frames).abs().max() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize("layout", ["side", "wipe", "stack"])
def test_a_large_picture_is_shown_smaller(layout: CompareLayout) -> None:
    for size in ((2160, 3840), (3840, 2160), (9000, 30)):
        height, width = shown_size(size, layout)
        assert max(height * (2 if layout == "stack" else 1), width * (2 if layout == "side" else 1)) <= MOST


def test_each_moment_of_the_edit_meets_the_same_moment_of_the_source() -> None:
    """Where the edit took each second frame from the third on, so does the comparison."""
    greys = torch.arange(20).view(-1, 1, 1, 1).expand(-1, 3, 260, 256) / 20
    source = Clip(greys.clone(), NTSC)
    edited = Clip(source.frames[2::2].clone(), NTSC / 2)
    later = Clip(source.frames[2:], NTSC)
    for picture in composed(later, edited, "side"):
        assert abs(int(picture[-9, 9, 0]) - int(picture[-9, -9, 0])) == 0


def test_frames_are_made_one_by_one_and_to_the_end(tmp_path: Path) -> None:
    """What a file lacks is told after its last frame, which an edit of each second one does not show."""
    whole = picture_clip(20, (32, 48), Fraction(20))
    made: list[int] = []

    def make(numbers: Sequence[int]) -> Iterator[Tensor]:
        for number in numbers:
            made.append(number)
            yield whole.frames[number]
        raise MediaError("it is damaged")

    source = LazyClip(make, 20, whole.size, whole.rate)
    with pytest.raises(MediaError, match="it is damaged"):
        compare(source, whole[::2], tmp_path / "c.mp4")
    assert made == list(range(20))
    assert not list(tmp_path.iterdir())


def test_another_size_and_a_shorter_source(tmp_path: Path) -> None:
    source, edited = pair(4)
    compare(Clip(source.frames[:2], source.rate).resized((150, 130)), edited.with_sound(None), tmp_path / "c.mkv")
    seen = read_clip(tmp_path / "c.mkv")
    assert len(seen) == 4
    assert seen.audio is None
    assert near(seen.frames[3, :, -300:, :260], source.frames[1])
