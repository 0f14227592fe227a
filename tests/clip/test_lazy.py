"""Clips whose frames are made as they are asked for, and the reader that serves them."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.clip.making import make_video, picture_clip, seen
from vedit.clip import Clip, read_clip
from vedit.clip.lazy import LazyClip
from vedit.clip.reading import FrameReader, open_clip
from vedit.errors import MediaError, VeditWarning
from vedit.sheet import contact_sheet


@pytest.mark.parametrize("name", ["a.mp4", "a.webm", "a.gif", "folder"])
def test_it_is_written_to_the_same_bytes_as_a_clip(toy_clip: Path, tmp_path: Path, name: str) -> None:
    clip = read_clip(toy_clip)
    lazy = LazyClip.of(clip, (60, 90))
    lazy.save(tmp_path / name)
    clip.resized((60, 90)).save(tmp_path / f"whole-{name}")
    for made in [tmp_path / name] if "." in name else sorted((tmp_path / name).iterdir()):
        whole = tmp_path / f"whole-{made.relative_to(tmp_path)}"
        assert made.read_bytes() == whole.read_bytes()
    assert torch.equal(lazy.whole().frames, clip.resized((60, 90)).frames)


def test_few_frames_are_held_at_once(tmp_path: Path) -> None:
    alive: set[int] = set()
    most = 0

    def make(numbers: Sequence[int]) -> Iterator[Tensor]:
        nonlocal most
        for number in numbers:
            frame = torch.full((3, 16, 16), number / 40)
            alive.add(number)
            weakref.finalize(frame, alive.discard, number)
            most = max(most, len(alive))
            yield frame

    clip = LazyClip(make, 40, (16, 16), Fraction(8))
    clip.save(tmp_path / "a.mp4")
    contact_sheet(None, clip, tmp_path / "a.png")
    assert most < 5
    assert [round(float(frame[0, 0, 0]) * 40) for frame in clip.pick([3, 17]).frames] == [3, 17]


@pytest.mark.parametrize("cut", [{}, {"start": 13, "frames": 9}, {"stride": 4, "start": 5}])
def test_a_reader_gives_what_is_read(tmp_path: Path, cut: dict[str, int]) -> None:
    path = make_video(tmp_path / "a.mp4", 45, keyint=10)
    picture_clip(45).save(tmp_path / "folder")
    for place in (path, tmp_path / "folder"):
        reader, clip = FrameReader.open(place, **cut), read_clip(place, **cut)
        assert (len(reader), reader.rate) == (len(clip), clip.rate)
        assert torch.equal(torch.stack(list(reader.read())), clip.frames)
        assert torch.equal(torch.stack(list(reader.read([2, 5]))), clip.frames[[2, 5]])
        assert torch.equal(torch.stack(list(reader.read(size=24))), read_clip(place, size=24, **cut).frames)


@pytest.mark.parametrize("cut", [{}, {"start": 13, "frames": 9}, {"stride": 4, "start": 5, "size": 24}])
def test_an_opened_clip_is_the_one_that_is_read(tmp_path: Path, cut: dict[str, int]) -> None:
    path = make_video(tmp_path / "a.mp4", 45, keyint=10, sound_at=0.5)
    lazy, clip = open_clip(path, **cut), read_clip(path, **cut)
    assert (lazy.rate, lazy.size, lazy.audio_origin) == (clip.rate, clip.size, clip.audio_origin)
    assert torch.equal(lazy.whole().frames, clip.frames)
    assert lazy.audio is not None
    assert clip.audio is not None
    assert np.array_equal(lazy.audio.samples, clip.audio.samples)


def test_frames_passed_over_are_not_begun_anew() -> None:
    begun: list[int] = []

    def make(numbers: Sequence[int]) -> Iterator[Tensor]:
        begun.append(numbers[0])
        for number in numbers:
            yield torch.full((3, 2, 2), number / 10)

    frames = LazyClip(make, 10, (2, 2), Fraction(8)).frames
    assert [round(float(frames[index][0, 0, 0]) * 10) for index in (0, 2, 2, 5, 9, 1)] == [0, 2, 2, 5, 9, 1]
    assert begun == [0, 1]


def test_a_second_reading_of_a_damaged_clip_is_the_first_and_says_nothing_more(tmp_path: Path) -> None:
    clip = picture_clip(40, (96, 128))
    noisy = (clip.frames + 0.2 * torch.rand(clip.frames.shape, generator=torch.manual_seed(0))).clamp(0, 1)
    Clip(noisy, Fraction(10)).save(tmp_path / "a.mp4")
    data = bytearray((tmp_path / "a.mp4").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 6000] = (
        torch.randint(0, 256, (6000,), generator=torch.manual_seed(0)).byte().numpy().tobytes()
    )
    (tmp_path / "b.mp4").write_bytes(data)
    reader = FrameReader.open(tmp_path / "b.mp4", allow_partial=True)
    with pytest.warns(VeditWarning, match="damaged"):
        first = list(reader.read())
    assert torch.equal(torch.stack(list(reader.read(again=True))), torch.stack(first))
    opened = open_clip(tmp_path / "b.mp4", allow_partial=True)
    with pytest.warns(VeditWarning, match="damaged"):
        assert torch.equal(opened.whole().frames, torch.stack(first))
    assert torch.equal(opened.whole().frames, torch.stack(first))
    strict = FrameReader.open(tmp_path / "b.mp4")
    with pytest.raises(MediaError, match="cannot be decoded"):
        list(strict.read(again=True))


def test_a_variable_rate_repeats_frames(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.mkv", 6, stamps=[0, 1, 2, 5, 6, 7], rate=30)
    with pytest.warns(VeditWarning, match="uneven times"):
        clip = Clip(torch.stack(list(FrameReader.open(path).read())), Fraction(8))
    with pytest.warns(VeditWarning, match="uneven times"):
        assert seen(clip) == seen(read_clip(path))
    assert len(set(seen(clip))) < len(clip)
