"""Clips and videos made for the tests: every frame tells its number by its brightness."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch

from vedit.clip import Audio, Clip

NTSC = Fraction(30000, 1001)


def grey(index: int) -> int:
    """The brightness that tells frame `index`."""
    return 20 + 5 * index


def make_video(
    path: Path,
    count: int = 30,
    rate: Fraction | int = 30,
    size: tuple[int, int] = (48, 64),
    codec: str = "libx264",
    pixels: str = "yuv420p",
    stamps: Sequence[int] | None = None,
    tick: Fraction | None = None,
    rotation: int | None = None,
    sound_at: float | None = None,
    keyint: int = 8,
    faststart: bool = True,
    options: dict[str, str] | None = None,
) -> Path:
    """A video whose frame i is a flat grey of grey(i); with a beep in the sound at second 0.5 after its beginning."""
    kind = {"movflags": "+faststart"} if faststart and path.suffix in (".mp4", ".mov") else {}
    with av.open(str(path), "w", container_options=kind | (options or {})) as out:
        chosen = {"g": str(keyint), "crf": "10"} if codec.startswith("libx26") else {}
        stream = out.add_stream(codec, rate=Fraction(rate), options=chosen)
        stream.height, stream.width, stream.pix_fmt = *size, pixels
        base = tick or 1 / Fraction(rate)
        stream.codec_context.time_base = base
        if rotation is not None:
            stream.set_display_rotation(rotation)
        beep = None
        if sound_at is not None:
            beep = out.add_stream("aac" if path.suffix != ".webm" else "libopus", rate=48000, layout="mono")
        for index in range(count):
            frame = av.VideoFrame.from_ndarray(np.full((*size, 3), grey(index), np.uint8))
            frame.pts, frame.time_base = (stamps[index] if stamps else index), base
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if beep is not None:
            wave = np.zeros((1, 48000), np.float32)
            wave[0, 24000:24480] = 0.8 * np.sin(np.arange(480) * 2 * np.pi * 1000 / 48000)
            piece = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            piece.sample_rate, piece.pts, piece.time_base = 48000, round((sound_at or 0) * 48000), Fraction(1, 48000)
            out.mux([*beep.encode(piece), *beep.encode(None)])
    return path


def seen(clip: Clip) -> list[int]:
    """Which frames a clip made by `make_video` shows."""
    level = clip.frames[:, :, 8:-8, 8:-8].mean((1, 2, 3)) * 255
    return [round((float(value) - 20) / 5) for value in level]


def beep_at(clip: Clip) -> float:
    """The second at which the beep begins."""
    assert clip.audio is not None
    return float((clip.audio.samples.abs().amax(0) > 0.2).nonzero()[0] / clip.audio.rate)


def picture_clip(count: int = 12, size: tuple[int, int] = (48, 64), rate: Fraction | int = 12) -> Clip:
    """Smooth moving colours."""
    y, x = torch.meshgrid(torch.linspace(0, 1, size[0]), torch.linspace(0, 1, size[1]), indexing="ij")
    frames = [torch.stack([x, y, (x + y + t / count) % 1 * 0.2 + 0.4]) * 0.8 + 0.1 for t in range(count)]
    return Clip(torch.stack(frames), Fraction(rate))


def hum(seconds: float, rate: int = 44100, channels: int = 2) -> Audio:
    time = torch.arange(round(seconds * rate)) / rate
    return Audio(torch.stack([0.5 * torch.sin(2 * torch.pi * (220 * (c + 1)) * time) for c in range(channels)]), rate)
