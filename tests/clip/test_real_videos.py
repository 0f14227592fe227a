"""Real videos, where they are at hand."""

from __future__ import annotations

import os
import warnings
from fractions import Fraction
from pathlib import Path

import pytest
import torch

from tests.clip.making import NTSC
from vedit.clip import probe, read_clip

ASSETS = Path(os.environ.get("VEDIT_ASSETS", Path(__file__).resolve().parents[3] / "shared" / "assets"))
VIDEOS = ASSETS / "media" / "video"
needs_assets = pytest.mark.skipif(
    not VIDEOS.is_dir(), reason="real videos are not here; point VEDIT_ASSETS at a folder that has media/video"
)


FACTS = {
    "man-skiing.mp4": ((718, 718), NTSC, 91, True),
    "man-surfing.mp4": ((656, 656), Fraction(24), 72, False),
    "rabbit-watermelon.mp4": ((718, 718), Fraction(30), 186, True),
    "woman-running.mp4": ((512, 512), Fraction(20), 120, False),
    "sam2_dog.mp4": ((720, 1280), NTSC, 289, True),
    "breakdance.mp4": ((512, 512), Fraction(10), 32, False),
}


@pytest.mark.assets
@needs_assets
@pytest.mark.parametrize("name", FACTS)
def test_real_videos_are_read_whole(name: str) -> None:
    size, rate, count, sound = FACTS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        info = probe(VIDEOS / name)
        assert (info.size, info.rate, info.frames, info.has_sound) == (size, rate, count, sound)
        assert not info.variable
        assert info.complaint is None
        clip = read_clip(VIDEOS / name, size=48, start=1, stride=5)
        assert len(clip) == len(range(1, count, 5))
        assert clip.rate == rate / 5
        assert (clip.audio is not None) is sound
        part = read_clip(VIDEOS / name, size=48, start=21, stride=5, frames=2)
        assert torch.equal(part.frames, clip.frames[4:6])


@pytest.mark.assets
@needs_assets
def test_real_sound_is_copied_exactly(tmp_path: Path) -> None:
    clip = read_clip(VIDEOS / "rabbit-watermelon.mp4", size=32, start=20, frames=30)
    clip.save(tmp_path / "o.mp4")
    again = read_clip(tmp_path / "o.mp4")
    assert clip.audio is not None
    assert again.audio is not None
    assert again.audio.rate == clip.audio.rate
    assert (again.audio.samples - clip.audio.samples)[:, :-1024].abs().max() < 1e-4
