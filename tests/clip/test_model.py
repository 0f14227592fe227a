"""The nouns: what a clip tells of itself, and which sizes fit."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
import torch

from tests.clip.making import NTSC, hum, picture_clip
from vedit.clip import Clip, fit_size
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
