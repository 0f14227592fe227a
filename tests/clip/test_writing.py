"""Writing: exact, repeatable, and whole or not at all."""

from __future__ import annotations

import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import pytest
import torch

from tests.clip.making import NTSC, beep_at, hum, make_video, picture_clip
from vedit.atomic import whole_file, whole_folder
from vedit.clip import probe, read_clip, writing
from vedit.errors import MediaError, VeditWarning


@pytest.mark.parametrize("name", ["a.mp4", "a.m4v", "a.mov", "a.mkv", "a.webm"])
@pytest.mark.parametrize("size", [(48, 64), (47, 63), (1, 1)])
def test_written_clips_keep_size_rate_and_picture(tmp_path: Path, name: str, size: tuple[int, int]) -> None:
    clip = picture_clip(8, size, NTSC)
    clip.save(tmp_path / name)
    again = read_clip(tmp_path / name)
    assert again.size == size
    assert again.rate == NTSC
    assert len(again) == 8
    assert (again.frames - clip.frames).abs().mean() < 0.03
    assert list(tmp_path.iterdir()) == [tmp_path / name]


@pytest.mark.parametrize("rate", [Fraction(8), Fraction(10, 3), Fraction(24000, 1001), Fraction(1000, 7)])
def test_rates_are_exact(tmp_path: Path, rate: Fraction) -> None:
    picture_clip(9, rate=rate).save(tmp_path / "a.mp4")
    info = probe(tmp_path / "a.mp4")
    assert info.rate == rate
    assert info.frames == 9
    assert info.duration == pytest.approx(9 / rate)


def test_pictures_are_tagged(tmp_path: Path) -> None:
    picture_clip(2).save(tmp_path / "a.mp4")
    with av.open(str(tmp_path / "a.mp4")) as container:
        frame = next(container.decode(video=0))
        assert (frame.color_primaries, frame.color_trc, frame.colorspace, frame.color_range) == (1, 1, 1, 1)
        assert frame.format.name == "yuv420p"


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.webm", "a.gif"])
def test_the_same_clip_gives_the_same_bytes(tmp_path: Path, name: str) -> None:
    clip = replace(picture_clip(10), audio=hum(0.8))
    clip.save(tmp_path / name)
    first = (tmp_path / name).read_bytes()
    for length in (100, 5000, 20000, 300000):
        litter = [os.urandom(length + k) for k in range(20)]  # other memory under the encoder's feet
        del litter[::2]
        clip.save(tmp_path / name, overwrite=True)
        assert (tmp_path / name).read_bytes() == first


def test_crf_decides_the_size(tmp_path: Path) -> None:
    clip = picture_clip(10, (96, 96))
    clip.save(tmp_path / "good.mp4", crf=8)
    clip.save(tmp_path / "poor.mp4", crf=45)
    assert (tmp_path / "good.mp4").stat().st_size > 1.5 * (tmp_path / "poor.mp4").stat().st_size


def test_writing_faults_leave_nothing_behind(tmp_path: Path) -> None:
    clip = picture_clip(3)
    there = tmp_path / "there.mp4"
    there.write_text("old")
    broken = clip.with_frames(clip.frames.clone())
    broken.frames[2] = torch.nan  # a Clip is not made of such, but a tensor can be written to
    for bad, target, settings, told in (
        (clip, there, {}, "exists"),
        (clip, tmp_path / "no" / "a.mp4", {}, "does not exist"),
        (clip, tmp_path / "a.xyz", {}, "cannot be written"),
        (clip, tmp_path / "a.avi", {}, "cannot be written"),
        (clip, tmp_path / "a.mp4", {"codec": "nonsense"}, "not available"),
        (clip, tmp_path / "a.mp4", {"codec": "aac"}, "not encode pictures"),
        (clip, tmp_path / "a.mp4", {"crf": 99}, "crf is 99; expected 0 .best. to 51"),
        (clip, tmp_path / "a.webm", {"crf": 64}, "crf is 64; expected 0 .best. to 63"),
        (clip, tmp_path / "a.webm", {"codec": "libx265"}, "could not be|does not fit"),
        (broken, tmp_path / "a.mp4", {}, "not numbers"),
        (broken, there, {"overwrite": True}, "not numbers"),
        (broken, tmp_path / "a.gif", {}, "not numbers"),
        (broken, tmp_path / "folder", {}, "not numbers"),
    ):
        with pytest.raises(MediaError, match=told):
            bad.save(target, **settings)  # type: ignore[arg-type]
    assert [p.name for p in tmp_path.iterdir()] == ["there.mp4"]
    assert there.read_text() == "old"


def test_a_clip_may_replace_its_own_source(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", 30, rate=20, sound_at=0.0)
    read_clip(path).save(path, overwrite=True)
    assert beep_at(read_clip(path)) == pytest.approx(0.5, abs=0.01)


def _break_off(path: Path) -> None:
    path.write_text("half")
    raise KeyboardInterrupt


def test_whole_file(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    with whole_file(target) as beside:
        assert beside.suffix == ".txt"
        assert beside.parent == tmp_path
        assert beside.name.startswith(".")
        beside.write_text("new")
        assert not target.exists()
    assert target.read_text() == "new"
    with pytest.raises(KeyboardInterrupt), whole_file(target, overwrite=True) as beside:
        _break_off(beside)
    with pytest.raises(MediaError, match="No space left"), whole_file(target, overwrite=True):
        raise OSError(28, "No space left on device")
    with pytest.raises(MediaError, match="is a folder"), whole_file(tmp_path, overwrite=True):
        pass
    with pytest.raises(KeyboardInterrupt), whole_folder(tmp_path / "f") as beside:
        _break_off(beside / "x")
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    assert target.read_text() == "new"


@pytest.mark.parametrize(("rate", "shown"), [(100, 12), (120, 10), (250, 5)])
def test_a_gif_of_a_fast_clip_leaves_frames_out(tmp_path: Path, rate: int, shown: int) -> None:
    """It lasts as long as the clip, to a hundredth of a second."""
    clip = picture_clip(12, rate=rate)
    if shown < 12:
        with pytest.warns(VeditWarning, match=f"{12 - shown} of 12 are left out"):
            clip.save(tmp_path / "a.gif")
    else:
        clip.save(tmp_path / "a.gif")
    with av.open(str(tmp_path / "a.gif")) as container:
        times = [frame.pts for frame in container.decode(video=0)]
    assert times == list(range(shown))


@pytest.mark.parametrize(("name", "codec"), [("a.gif", "gif"), ("a.webm", "libvpx-vp9"), ("a.mkv", "libx264")])
def test_a_fault_names_the_codec_in_use(tmp_path: Path, name: str, codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError("no")

    monkeypatch.setattr(writing, "_write_gif", fail)
    monkeypatch.setattr(writing, "_write_video", fail)
    with pytest.raises(MediaError, match=f"encoded with {codec}: no"):
        picture_clip(2).save(tmp_path / name)


@pytest.mark.parametrize("name", ["\U0001f3ac" * 60 + ".mkv", "\U0001f3ac" * 60, "o" * 246 + ".mkv"])
def test_long_names_of_any_letters_are_written(tmp_path: Path, name: str) -> None:
    picture_clip(2).save(tmp_path / name)
    assert [each.name for each in tmp_path.iterdir()] == [name]


def test_what_a_file_system_refuses_is_told(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="could not be written"):
        picture_clip(2).save(f"{tmp_path / ('a.' + 'o' * 300)}/")
