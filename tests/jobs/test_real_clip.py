"""A real video through the whole of ``vedit edit``, with SD 1.5's exact layout at toy width."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray

from tests.conftest import Ran
from vedit.clip import read_clip

ASSETS = Path(os.environ.get("VEDIT_ASSETS", Path(__file__).resolve().parents[3] / "shared" / "assets"))
SKIING = ASSETS / "media" / "video" / "man-skiing.mp4"
NTSC = Fraction(30000, 1001)
FRAMES = 16
PROMPT = "a man is skiing in the rain"

pytestmark = [
    pytest.mark.assets,
    pytest.mark.skipif(
        not SKIING.is_file(), reason="man-skiing.mp4 is not here; point VEDIT_ASSETS at a folder that has media/video"
    ),
]


def decoded(path: Path) -> tuple[list[tuple[Fraction, int, int]], NDArray[np.float32], int]:
    """By another reader than ours: time, height and width of each frame; the sound (C, L) and its rate."""
    with av.open(str(path)) as container:
        pictures = [
            (frame.pts * frame.time_base, frame.height, frame.width)
            for frame in container.decode(video=0)
            if frame.pts is not None and frame.time_base is not None
        ]
    with av.open(str(path)) as container:
        pieces = [frame.to_ndarray() for frame in container.decode(audio=0)]
        rate = container.streams.audio[0].rate
    return pictures, np.concatenate(pieces, axis=1), rate


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def edited(vedit: Callable[..., Ran], sd1: Path, tmp_path: Path) -> Path:
    """The result's path; o.yaml and s.png lie beside it."""
    output = tmp_path / "o.mp4"
    ran = vedit(
        *("edit", SKIING, PROMPT, "--source-prompt", "a man is skiing", "--model", sd1, "--frames", FRAMES),
        *("--steps", 2, "--tune", 1, "-o", output, "--sheet", tmp_path / "s.png"),
    )
    assert ran.status == 0, ran.err
    assert "16 frames, 718x718, 29.97 fps, with sound" in ran.out
    assert "Traceback" not in ran.err
    return output


def test_a_real_clip_is_edited_whole(edited: Path, vedit: Callable[..., Ran], tmp_path: Path) -> None:
    pictures, samples, rate = decoded(edited)
    assert [time for time, _, _ in pictures] == [index / NTSC for index in range(FRAMES)]
    assert {(height, width) for _, height, width in pictures} == {(718, 718)}

    # Its sound is the source's own, copied: no more than a packet longer than the pictures.
    _, whole, source_rate = decoded(SKIING)
    assert rate == source_rate
    assert samples.shape[0] == whole.shape[0]
    seconds = float(FRAMES / NTSC)
    assert 0 <= samples.shape[1] / rate - seconds < 2048 / rate
    heard = round(seconds * rate) - 1024  # the codec's last block fades into what follows, which was cut
    assert np.abs(whole[:, :heard]).max() > 0.01, "the clip is not silent there"
    assert np.abs(samples[:, :heard] - whole[:, :heard]).max() < 1e-4

    # What ours reads of both agrees too.
    source, result = read_clip(SKIING, frames=FRAMES, size=32), read_clip(edited, size=32)
    assert (len(result), result.rate, result.duration) == (len(source), source.rate, source.duration)
    assert source.audio is not None
    assert result.audio is not None
    assert torch.equal(result.audio.samples[:, :heard], source.audio.samples[:, :heard])

    settings = yaml.safe_load(edited.with_suffix(".yaml").read_text())
    assert (settings["command"], settings["prompt"], settings["frames"]) == ("edit", PROMPT, FRAMES)
    assert settings["clip"] == str(SKIING)
    assert {path.name for path in tmp_path.iterdir()} == {"o.mp4", "o.yaml", "s.png"}

    ran = vedit("rerun", edited.with_suffix(".yaml"), "-o", tmp_path / "again.mp4", "--set", "sheet=null")
    assert ran.status == 0, ran.err
    assert digest(tmp_path / "again.mp4") == digest(edited)
    ran = vedit("rerun", edited.with_suffix(".yaml"), "--overwrite")
    assert ran.status == 0, ran.err
    assert digest(tmp_path / "again.mp4") == digest(edited)
