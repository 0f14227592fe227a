"""Folders of pictures, and GIF."""

from __future__ import annotations

import os
import tracemalloc
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.clip.making import NTSC, grey, picture_clip, seen
from vedit.clip import Clip, probe, read_clip
from vedit.clip.images import RATE_KEY, picture_facts, read_picture
from vedit.errors import MediaError


def test_folder_in_natural_order(tmp_path: Path) -> None:
    for index in (10, 2, 1, 0, 9):
        kind = {0: "png", 1: "jpg", 2: "webp", 9: "bmp", 10: "jpeg"}[index]
        Image.new("RGB", (32, 24), (grey(index),) * 3).save(tmp_path / f"im{index}.{kind}")
    (tmp_path / "readme.txt").write_text("not a picture")
    clip = read_clip(tmp_path)
    assert seen(clip) == [0, 1, 2, 9, 10]
    assert clip.rate == 8
    assert clip.size == (24, 32)
    assert seen(read_clip(tmp_path, start=1, stride=2)) == [1, 9]
    assert read_clip(tmp_path, stride=2).rate == 4
    assert probe(tmp_path).frames == 5
    with pytest.raises(MediaError, match="has 5 frames"):
        read_clip(tmp_path, frames=6)


def test_pictures_of_all_kinds(tmp_path: Path) -> None:
    Image.new("RGBA", (6, 4), (200, 200, 200, 0)).save(tmp_path / "0.png")
    Image.fromarray(np.full((4, 6), 32768, np.uint16)).save(tmp_path / "1.png")
    Image.new("L", (6, 4), 128).save(tmp_path / "2.png")
    Image.new("P", (6, 4), 0).save(tmp_path / "3.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    Image.new("RGB", (4, 6), (128,) * 3).save(tmp_path / "4.jpg", exif=exif)
    clip = read_clip(tmp_path)
    assert clip.frames.mean((1, 2, 3)).tolist() == pytest.approx([0, 0.5, 0.5, 0, 0.5], abs=0.01)
    assert probe(tmp_path).size == clip.size == (4, 6)


def test_one_pixel(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), (255, 0, 0)).save(tmp_path / "0.png")
    assert read_clip(tmp_path).frames.flatten().tolist() == [1, 0, 0]


@pytest.mark.parametrize("side", [6000, 9000, 12000])
def test_bombs_are_refused(tmp_path: Path, side: int) -> None:
    Image.new("1", (side, side)).save(tmp_path / "0.png")
    with pytest.raises(MediaError, match="too large"):
        read_clip(tmp_path)


def test_pictures_are_read_without_many_copies(tmp_path: Path) -> None:
    """In memory a picture is four bytes for each value, and little more while it is read."""
    Image.new("RGB", (2000, 2000)).save(tmp_path / "0.png")
    tracemalloc.start()
    try:
        read_picture(tmp_path / "0.png")
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 2000 * 2000 * 3 * 6


def test_digits_of_other_scripts_are_names(tmp_path: Path) -> None:
    for index, name in enumerate(("1", "10", "x²", "²", "٣")):
        Image.new("RGB", (32, 24), (grey(index),) * 3).save(tmp_path / f"{name}.png")
    assert seen(read_clip(tmp_path)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("rate", ["1e9999999", "9" * 5000, "0", "1/0", "-3", "nan", "1/100000", "5000", "x", "٣"])
def test_impossible_rates_of_pictures_are_passed_over(tmp_path: Path, rate: str) -> None:
    note = PngInfo()
    note.add_text(RATE_KEY, rate)
    Image.new("RGB", (8, 8)).save(tmp_path / "0.png", pnginfo=note)
    assert probe(tmp_path).rate == read_clip(tmp_path).rate == 8


@pytest.mark.parametrize("what", ["pipe", "device", "folder", "empty"])
def test_what_is_no_plain_picture_is_told_at_once(tmp_path: Path, what: str) -> None:
    path = tmp_path / "a.png"
    {
        "pipe": lambda: os.mkfifo(path),
        "device": lambda: path.symlink_to("/dev/zero"),
        "folder": path.mkdir,
        "empty": path.touch,
    }[what]()
    for read in (read_picture, picture_facts):
        with pytest.raises(MediaError, match=r"not a plain file|is a folder|is empty"):
            read(path)


@pytest.mark.parametrize("rate", [Fraction(10), Fraction(24), NTSC])
def test_gif_round_trip(tmp_path: Path, rate: Fraction) -> None:
    clip = picture_clip(24, rate=rate)
    clip.save(tmp_path / "a.gif")
    again = read_clip(tmp_path / "a.gif")
    assert len(again) == 24
    assert float(again.rate) == pytest.approx(float(rate), rel=0.04)
    assert (again.frames - clip.frames).abs().mean() < 0.04
    still = Clip(clip.frames[:1].expand(6, -1, -1, -1), Fraction(10))
    still.save(tmp_path / "still.gif")
    assert len(read_clip(tmp_path / "still.gif")) == 6


def test_png_folder_round_trip(tmp_path: Path) -> None:
    clip = picture_clip(3, size=(7, 5), rate=NTSC)
    clip.save(tmp_path / "out")
    again = read_clip(tmp_path / "out")
    assert again.rate == NTSC
    assert (again.frames - clip.frames).abs().max() <= 0.5 / 255 + 1e-6
    with pytest.raises(MediaError, match="exists"):
        clip.save(f"{tmp_path}/out/")
    clip.with_frames(clip.frames[:2]).save(tmp_path / "out", overwrite=True)
    assert len(read_clip(tmp_path / "out")) == 2
    (tmp_path / "out" / "thesis.txt").write_text("precious")
    with pytest.raises(MediaError, match="other files"):
        clip.save(tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "thesis.txt").exists()
