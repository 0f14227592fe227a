"""Animated WebPs: written with times to the millisecond, and read back as clips."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from PIL import Image

from tests.clip.making import NTSC, picture_clip
from vedit.clip import probe, read_clip
from vedit.clip.webp import is_animated
from vedit.errors import MediaError, VeditWarning
from vedit.masks.user_mask import check_mask


def durations(path: Path) -> list[int]:
    with Image.open(path) as image:
        found = []
        for index in range(image.n_frames):
            image.seek(index)
            image.load()
            found.append(image.info["duration"])
        assert image.info["loop"] == 0, "for ever"
        return found


@pytest.mark.parametrize("rate", [Fraction(8), Fraction(25), Fraction(25, 2)])
def test_there_and_back(tmp_path: Path, rate: Fraction) -> None:
    clip = picture_clip(9, (47, 63), rate)
    clip.save(tmp_path / "a.webp")
    assert durations(tmp_path / "a.webp") == [1000 / rate] * 9
    info, again = probe(tmp_path / "a.webp"), read_clip(tmp_path / "a.webp")
    assert (info.size, info.rate, info.frames, info.has_sound, info.variable) == ((47, 63), rate, 9, False, False)
    assert (again.size, again.rate, len(again), again.audio) == ((47, 63), rate, 9, None)
    assert (again.frames - clip.frames).abs().mean() < 0.02
    part = read_clip(tmp_path / "a.webp", start=2, stride=3, frames=2)
    assert (part.frames - again.frames[2:6:3]).abs().max() == 0
    assert part.rate == rate / 3


def test_rounded_times_are_told_and_the_rate_comes_back(tmp_path: Path) -> None:
    with pytest.warns(VeditWarning, match="its frames last 33 or 34 ms, for 33.37"):
        picture_clip(40, rate=NTSC).save(tmp_path / "a.webp")
    assert abs(sum(durations(tmp_path / "a.webp")) - 40 / NTSC * 1000) < 1
    info = probe(tmp_path / "a.webp")
    assert (info.rate, info.frames, info.variable) == (NTSC, 40, False)


def test_the_same_clip_gives_the_same_bytes_and_crf_decides_how_many(tmp_path: Path) -> None:
    clip = picture_clip(6, (96, 96), 8)
    for name, crf in (("a", 18), ("b", 18), ("good", 4), ("poor", 45)):
        clip.save(tmp_path / f"{name}.webp", crf=crf)
    size = {path.stem: path.stat().st_size for path in tmp_path.iterdir()}
    assert (tmp_path / "a.webp").read_bytes() == (tmp_path / "b.webp").read_bytes()
    assert size["good"] > size["a"] > size["poor"]


def test_uneven_and_unsaid_times(tmp_path: Path) -> None:
    """A frame that says no time is shown for a tenth of a second, as browsers do."""
    images = [Image.new("RGB", (32, 32), (40 * index, 0, 0)) for index in range(4)]
    images[0].save(
        tmp_path / "a.webp", save_all=True, append_images=images[1:], duration=[100, 300, 0, 100], lossless=True
    )
    with pytest.warns(VeditWarning, match="uneven times"):
        clip = read_clip(tmp_path / "a.webp")
    assert clip.rate == 10
    assert [round(float(frame[0, 0, 0]) * 255 / 40) for frame in clip.frames] == [0, 1, 1, 1, 2, 3]


def test_what_is_no_clip(tmp_path: Path) -> None:
    Image.new("RGB", (32, 32)).save(tmp_path / "still.webp")
    picture_clip(6, rate=8).save(tmp_path / "a.webp")
    whole = (tmp_path / "a.webp").read_bytes()
    (tmp_path / "short.webp").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.webp").write_text("not a picture")
    huge = bytearray(whole)
    huge[24:30] = b"\xff\xff\x00\xff\xff\x00"
    (tmp_path / "huge.webp").write_bytes(huge)
    for name, told in (
        ("still", "is a single picture"),
        ("text", "is a single picture"),
        ("short", "is cut short"),
        ("huge", "too large to decode safely"),
    ):
        with pytest.raises(MediaError, match=told):
            read_clip(tmp_path / f"{name}.webp")
    with pytest.raises(MediaError, match="at most"):
        picture_clip(2, rate=2000).save(tmp_path / "fast.webp")
    assert not (tmp_path / "fast.webp").exists()


def test_damage_is_told(tmp_path: Path) -> None:
    picture_clip(6, rate=8).save(tmp_path / "a.webp")
    data = bytearray((tmp_path / "a.webp").read_bytes())
    at = data.rindex(b"ANMF") + 40
    data[at : at + 60] = bytes(60)
    (tmp_path / "a.webp").write_bytes(data)
    with pytest.raises(MediaError, match="cannot be decoded"):
        read_clip(tmp_path / "a.webp")


def test_as_a_mask_all_its_frames_count(tmp_path: Path) -> None:
    picture_clip(6, rate=8).save(tmp_path / "a.webp")
    assert is_animated(tmp_path / "a.webp")
    check_mask(tmp_path / "a.webp", 6, 6)
    with pytest.raises(MediaError, match="has 6 frames; expected 4"):
        check_mask(tmp_path / "a.webp", 4, 4)
