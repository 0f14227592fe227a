"""The nouns: what a clip tells of itself, and which sizes fit."""

from __future__ import annotations

import io
from base64 import b64decode
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.clip.making import NTSC, beep_at, hum, make_video, picture_clip, seen
from vedit.clip import Audio, AudioOrigin, Clip, fit_size, read_clip
from vedit.clip.preview import MOST_BYTES, MOST_FRAMES
from vedit.errors import MediaError


def test_clip_tells_its_facts() -> None:
    clip = picture_clip(count=12, size=(48, 64), rate=NTSC)
    assert len(clip) == 12
    assert clip.size == (48, 64)
    assert clip.duration == pytest.approx(12 / 29.97003)
    assert Clip(clip.frames, 29.97).rate == Fraction(2997, 100)  # type: ignore[arg-type]


@pytest.mark.parametrize("frames", [torch.zeros(0, 3, 8, 8), torch.zeros(3, 8, 8), torch.zeros(1, 4, 8, 8)])
def test_clip_refuses_wrong_shapes(frames: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="F, 3, H, W"):
        Clip(frames, Fraction(8))


def test_resized_is_bounded_and_antialiased() -> None:
    checks = (torch.arange(64)[:, None] + torch.arange(64)[None]).remainder(2).float().expand(2, 3, 64, 64)
    clip = Clip(checks, Fraction(8))
    small, large = clip.resized((16, 32)), clip.resized(128)
    assert small.size == (16, 32)
    assert large.size == (128, 128)
    assert small.frames[..., 2:-2, 2:-2].sub(0.5).abs().max() < 0.05  # fine checks become grey, not a moire
    assert float(large.frames.min()) >= 0
    assert float(large.frames.max()) <= 1


def test_with_frames_ends_the_sound_with_the_frames() -> None:
    clip = replace(picture_clip(12), audio=hum(1.0))
    shorter = clip.with_frames(clip.frames[:6])
    assert shorter.audio is not None
    assert shorter.audio.duration == pytest.approx(0.5)
    assert clip.with_frames(clip.frames.clone()).audio is clip.audio
    assert clip.with_sound(None).audio is None


@pytest.mark.parametrize(
    ("size", "target", "multiple", "expected"),
    [
        ((720, 1280), 512, 8, (288, 512)),
        ((720, 1280), None, 64, (704, 1280)),
        ((718, 718), None, 8, (720, 720)),
        ((1080, 1920), (256, 250), 8, (256, 248)),
        ((10, 1000), 100, 8, (8, 104)),
        ((48, 64), 128, 8, (96, 128)),
        ((5, 3), None, 8, (8, 8)),
        ((720, 1280), 100, 1, (56, 100)),
    ],
)
def test_fit_size(size, target, multiple, expected) -> None:
    assert fit_size(size, target, multiple) == expected


def test_fit_size_refuses_nothing() -> None:
    for target in (0, -8, (0, 8)):
        with pytest.raises(MediaError, match="1 pixel"):
            fit_size((8, 8), target)


def test_a_clip_is_shown_in_a_line() -> None:
    clip = picture_clip(8, (128, 96), NTSC)
    assert repr(clip) == "Clip(8 frames, 96x128, 29.97 fps, silent)"
    assert repr(replace(clip, audio=hum(1.0))[0]) == "Clip(1 frame, 96x128, 29.97 fps, with sound)"
    assert repr(hum(0.5)) == "Audio(0.50 s, 44100 Hz, stereo)"
    assert clip.fps == float(NTSC)


def test_arrays_and_back() -> None:
    bytes_ = np.random.default_rng(0).integers(0, 256, (3, 8, 10, 3), np.uint8)
    clip = Clip.from_numpy(bytes_, fps=29.97)
    assert (clip.frames.shape, clip.frames.dtype, clip.rate) == ((3, 3, 8, 10), torch.float32, Fraction(2997, 100))
    assert clip.numpy().dtype == np.uint8
    assert np.array_equal(clip.numpy(), bytes_)
    assert np.array_equal(Clip.from_numpy(bytes_ / 255.0, fps=8).numpy(), bytes_)
    bytes_[:] = 0
    assert clip.frames.max() > 0.5, "the clip has frames of its own"


def test_images_and_back() -> None:
    clip = picture_clip(3)
    images = clip.images()
    assert [(each.mode, each.size) for each in images] == [("RGB", (64, 48))] * 3
    assert np.array_equal(Clip.from_images(images, fps=12).numpy(), clip.numpy())
    assert Clip.from_images([Image.new("L", (4, 6), 255)], fps=1).frames.min() == 1
    assert Clip.from_images([Image.new("RGBA", (4, 6), (255, 0, 0, 0))], fps=1).frames.max() == 0, "clear, so black"
    deep = Image.fromarray(np.full((4, 6), 32768, np.uint16))
    assert float(Clip.from_images([deep], fps=1).frames.mean()) == pytest.approx(0.5, abs=1e-4)


@pytest.mark.parametrize(
    ("make", "kind", "said"),
    [
        (lambda: Clip(np.zeros((2, 8, 8, 3)), 8), TypeError, "not a numpy.ndarray; Clip.from_numpy"),
        (lambda: Clip([Image.new("RGB", (8, 8))], 8), TypeError, "not a list; Clip.from_images"),
        (lambda: Clip(None, 8), TypeError, "not None"),
        (lambda: Clip(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), 8), ValueError, "not torch.uint8"),
        (lambda: Clip(torch.full((1, 3, 8, 8), 255.0), 8), ValueError, "reach from 255 to 255: divide them by 255"),
        (lambda: Clip(torch.linspace(-1, 1, 192).view(1, 3, 8, 8), 8), ValueError, r"from -1 to 1: .*\+ 1"),
        (lambda: Clip(torch.full((1, 3, 8, 8), torch.nan), 8), ValueError, "not numbers"),
        (lambda: Clip(torch.zeros(1, 3, 8, 8), 0), ValueError, "above 0 frames per second, not 0"),
        (lambda: Clip(torch.zeros(1, 3, 8, 8), -8), ValueError, "not -8"),
        (lambda: Clip(torch.zeros(1, 3, 8, 8), float("nan")), ValueError, "not nan"),
        (lambda: Clip(torch.zeros(1, 3, 8, 8), "8"), TypeError, "number of frames per second, not a str"),
        (lambda: Clip(torch.zeros(1, 3, 8, 8), 8, "a.wav"), TypeError, "vedit.Audio or None, not a str"),
        (lambda: Audio([0.0], 8000), TypeError, "not a list"),
        (lambda: Clip.from_numpy([[1]], fps=8), TypeError, "not a list"),
        (lambda: Clip.from_numpy(np.zeros((8, 8, 3), np.uint8), fps=8), ValueError, r"not \(8, 8, 3\)"),
        (lambda: Clip.from_numpy(np.zeros((2, 3, 8, 8), np.uint8), fps=8), ValueError, r"\(F, H, W, 3\)"),
        (lambda: Clip.from_numpy(np.zeros((2, 8, 8, 3), np.int64), fps=8), ValueError, "not int64"),
        (lambda: Clip.from_numpy(np.full((2, 8, 8, 3), 200.0), fps=8), ValueError, "divide them by 255"),
        (lambda: Clip.from_images([], fps=8), ValueError, "one image or more"),
        (lambda: Clip.from_images(["a.png"], fps=8), TypeError, "not a str"),
        (lambda: Clip.from_images([Image.new("L", (1, 2)), Image.new("L", (2, 2))], fps=8), ValueError, "1x2, 2x2"),
    ],
)
def test_what_is_no_clip_is_told(make: Any, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        make()


def test_cutting_takes_frames_and_sound_in_step(tmp_path: Path) -> None:
    clip = read_clip(make_video(tmp_path / "a.mp4", 30, rate=30, sound_at=0.0))
    piece = clip[6:24]
    assert (seen(piece), piece.rate, piece.duration) == (list(range(6, 24)), 30, 0.6)
    assert beep_at(piece) == pytest.approx(0.3, abs=0.01)
    sparse = clip[6::2]
    assert (seen(sparse), sparse.rate) == (list(range(6, 30, 2)), 15)
    assert beep_at(sparse) == pytest.approx(0.3, abs=0.01)
    assert seen(clip[-1]) == [29]
    assert [seen(each) for each in clip[:3]] == [[0], [1], [2]]
    piece.save(tmp_path / "b.mp4")
    assert beep_at(read_clip(tmp_path / "b.mp4")) == pytest.approx(0.3, abs=0.01)


def test_a_clip_runs_backwards() -> None:
    tick = torch.zeros(1, 800)
    tick[:, 100] = 1  # in frame 1 of 8
    clip = replace(
        picture_clip(10, rate=10), audio=Audio(tick, 800), audio_origin=AudioOrigin(Path("a"), Fraction(0), 1)
    )  # type: ignore[arg-type]
    back = clip[::-1]
    assert torch.equal(back.frames, clip.frames.flip(0))
    assert back.audio is not None
    assert int(back.audio.samples.argmax()) == 699
    assert back.audio_origin is None
    assert (clip[8:2:-3].rate, len(clip[8:2:-3])) == (Fraction(10, 3), 2)
    ended = replace(clip, audio=Audio(tick[:, :400], 800))[::-1]  # the sound ends before the frames do
    assert ended.audio is not None
    assert int(ended.audio.samples.argmax()) == 699


@pytest.mark.parametrize(
    ("which", "kind", "said"),
    [
        (12, IndexError, "no frame 12; the clip has 12"),
        (-13, IndexError, "no frame -13"),
        (slice(5, 5), IndexError, "takes none"),
        ("a", TypeError, "not a str"),
    ],
)
def test_cutting_tells_what_is_not_there(which: Any, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        picture_clip(12)[which]


def test_a_clip_plays_in_a_notebook(tmp_path: Path) -> None:
    clip = replace(picture_clip(6, (47, 31)), audio=hum(0.5))
    page = clip._repr_html_()
    assert "<video controls" in page
    assert "Clip(6 frames, 31x47, 12 fps, with sound)" in page
    (tmp_path / "shown.mp4").write_bytes(b64decode(page.split("base64,")[1].split('"')[0]))
    shown = read_clip(tmp_path / "shown.mp4")
    assert (len(shown), shown.rate, shown.size) == (6, 12, (48, 32))
    assert shown.audio is not None
    still = clip[0]._repr_html_()
    assert Image.open(io.BytesIO(b64decode(still.split("base64,")[1].split('"')[0]))).size == (31, 47)


def test_a_notebook_is_shown_no_more_than_a_page_can_hold() -> None:
    long = Clip(torch.zeros(1, 3, 8, 8).expand(MOST_FRAMES + 1, -1, -1, -1), Fraction(24))
    assert f"; the first {MOST_FRAMES} frames" in long._repr_html_()
    noise = Clip(torch.rand(60, 3, 288, 512, generator=torch.Generator().manual_seed(0)), Fraction(24))
    assert len(noise._repr_html_()) < 1.4 * MOST_BYTES
