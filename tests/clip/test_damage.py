"""What is damaged, or is no clip, is told in one line."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

from tests.clip.making import make_video, picture_clip
from vedit.clip import Clip, probe, read_clip
from vedit.errors import MediaError, VeditWarning


def cut(source: Path, target: Path, share: float) -> Path:
    data = source.read_bytes()
    target.write_bytes(data[: int(len(data) * share)])
    return target


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.webm", "libvpx-vp9"), ("a.gif", "")]
)
def test_truncated_files_are_told(tmp_path: Path, name: str, codec: str) -> None:
    whole, path = tmp_path / name, tmp_path / f"cut-{name}"
    if codec:
        make_video(whole, 40, codec=codec)
    else:
        picture_clip(40).save(whole)
    cut(whole, path, 0.8)
    with pytest.raises(MediaError, match="cut short"):
        read_clip(path)
    assert "cut short" in str(probe(path).complaint)
    with pytest.warns(VeditWarning, match="going on"):
        part = read_clip(path, allow_partial=True)
    assert 1 <= len(part) < 40
    assert len(read_clip(path, frames=4)) == 4  # what is asked for is whole
    with pytest.raises(MediaError, match="cut short"):
        read_clip(path, frames=40)


def test_truncated_avi(tmp_path: Path) -> None:
    size = (240, 320)
    path = cut(make_video(tmp_path / "a.avi", 40, codec="mjpeg", pixels="yuvj420p", size=size), tmp_path / "b.avi", 0.7)
    with pytest.raises(MediaError, match="claims 40 frames"):
        read_clip(path)


def test_corrupt_frames_are_told(tmp_path: Path) -> None:
    clip = picture_clip(40, (96, 128))
    noisy = (clip.frames + 0.2 * torch.rand(clip.frames.shape, generator=torch.manual_seed(0))).clamp(0, 1)
    Clip(noisy, Fraction(10)).save(tmp_path / "a.mp4")
    data = bytearray((tmp_path / "a.mp4").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 6000] = np.random.default_rng(0).bytes(6000)
    (tmp_path / "b.mp4").write_bytes(data)
    with pytest.raises(MediaError, match="cannot be decoded"):
        read_clip(tmp_path / "b.mp4")
    with pytest.warns(VeditWarning, match="damaged"):
        part = read_clip(tmp_path / "b.mp4", allow_partial=True)
    assert len(part) == 40
    assert bool(torch.isfinite(part.frames).all())


def bad_inputs(folder: Path) -> dict[str, Path]:
    whole = make_video(folder / "whole.mp4", 20)
    late = make_video(folder / "late.mp4", 20, faststart=False)
    (folder / "none").mkdir()
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("this is no video " * 50)
    (folder / "list.mp4").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nwhole.mp4\n#EXT-X-ENDLIST\n")
    cut(whole, folder / "header.mp4", 0.02)
    cut(late, folder / "no-index.mp4", 0.6)
    (folder / "notes.txt").write_text("notes")
    (folder / "noname").write_text("x")
    Image.new("RGB", (8, 8)).save(folder / "single.png")
    with av.open(str(folder / "sound.mp4"), "w") as out:
        stream = out.add_stream("aac", rate=48000, layout="mono")
        piece = av.AudioFrame.from_ndarray(np.zeros((1, 4800), np.float32), format="fltp", layout="mono")
        piece.sample_rate = 48000
        out.mux([*stream.encode(piece), *stream.encode(None)])
    mixed = folder / "mixed"
    mixed.mkdir()
    Image.new("RGB", (8, 8)).save(mixed / "0.png")
    Image.new("RGB", (9, 8)).save(mixed / "1.png")
    broken = folder / "broken"
    broken.mkdir()
    (broken / "0.png").write_bytes(b"\x89PNG no more")
    cut(folder / "single.png", broken / "1.png", 0.7)
    disguised = folder / "disguised"
    disguised.mkdir()
    Image.new("RGB", (8, 8)).save(disguised / "0.png", format="TIFF")
    os.mkfifo(folder / "pipe.mp4")
    return {
        "missing": folder / "missing.mp4",
        **{p.name: p for p in folder.iterdir() if p.name not in ("whole.mp4", "late.mp4")},
    }


EXPECTED = {
    "missing": "does not exist",
    "none": "holds no pictures",
    "empty.mp4": "is empty",
    "text.mp4": "cannot be read as video",
    "list.mp4": "cannot be read as video",
    "header.mp4": "cannot be read as video",
    "no-index.mp4": "cannot be read as video",
    "notes.txt": "not read",
    "noname": "without suffix",
    "single.png": "single picture",
    "sound.mp4": "only sound",
    "mixed": "one size",
    "broken": "cannot be read as a picture",
    "disguised": "cannot be read as a picture",
    "pipe.mp4": "not a plain file",
}


def test_every_bad_input_is_one_clear_line(tmp_path: Path) -> None:
    inputs = bad_inputs(tmp_path)
    assert set(inputs) == set(EXPECTED)
    for name, path in inputs.items():
        with pytest.raises(MediaError, match=EXPECTED[name]) as told:
            read_clip(path)
        assert "\n" not in str(told.value)
        assert path.name in str(told.value)
        if name not in ("mixed",):
            with pytest.raises(MediaError):
                probe(path)


def test_unreadable_file(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", 4)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(MediaError, match="cannot be opened"):
        read_clip(path)


def test_asking_for_too_much(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", 10)
    for wish, told in (
        ({"frames": 11}, "has 10 frames"),
        ({"start": 10}, "has 10 frames.*past its end"),
        ({"frames": 4, "stride": 4}, "3 from 0"),
        ({"frames": 0}, "frames is 0"),
        ({"start": -1}, "start is -1"),
        ({"stride": 0}, "stride is 0"),
        ({"size": 0}, "1 pixel"),
    ):
        with pytest.raises(MediaError, match=told):
            read_clip(path, **wish)  # type: ignore[arg-type]
    with pytest.raises(MediaError, match="memory"):
        read_clip(path, size=(400_000, 400_000))
