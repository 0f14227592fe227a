"""Sound: in step with the pictures, and copied rather than encoded where that can be."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from tests.clip.making import beep_at, hum, make_video, picture_clip
from vedit.clip import AudioOrigin, probe, read_clip


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
@pytest.mark.parametrize("offset", [0.0, 0.3])
def test_sound_is_in_step(tmp_path: Path, suffix: str, offset: float) -> None:
    codec = "libvpx" if suffix == ".webm" else "libx264"
    path = make_video(tmp_path / f"s{suffix}", 30, rate=20, codec=codec, sound_at=offset)
    clip = read_clip(path)
    assert clip.audio is not None
    assert clip.audio.samples.dtype == torch.float32
    assert clip.audio.duration == pytest.approx(1.5)
    assert probe(path).has_sound
    assert beep_at(clip) == pytest.approx(0.5 + offset, abs=0.01)
    later = read_clip(path, start=6, stride=2)
    assert later.rate == 10
    assert later.audio is not None
    assert later.audio.duration == pytest.approx(1.2)
    assert beep_at(later) == pytest.approx(0.2 + offset, abs=0.01)
    assert read_clip(path, sound=False).audio is None


def test_sound_before_the_pictures_is_cut(tmp_path: Path) -> None:
    stamps = list(range(8, 30))
    path = make_video(tmp_path / "late.mkv", len(stamps), rate=20, stamps=stamps, sound_at=0.0)
    assert beep_at(read_clip(path)) == pytest.approx(0.5 - 0.4, abs=0.01)


@pytest.mark.parametrize("name", ["c.mp4", "c.mov", "c.mkv"])
def test_sound_is_copied_without_encoding(tmp_path: Path, name: str) -> None:
    source = make_video(tmp_path / "s.mp4", 30, rate=20, sound_at=0.1)
    clip = read_clip(source, start=4, frames=20)
    clip.save(tmp_path / name)

    def packets(path: Path) -> list[bytes]:
        with av.open(str(path)) as container:
            return [bytes(packet) for packet in container.demux(audio=0) if packet.size]

    copied = packets(tmp_path / name)
    assert len(copied) > 30
    assert set(copied) <= set(packets(source))
    again = read_clip(tmp_path / name)
    assert beep_at(again) == pytest.approx(beep_at(clip), abs=0.002)
    assert again.audio is not None
    assert abs(again.audio.duration - clip.duration) < 1 / 20


@pytest.mark.parametrize(
    ("name", "codec", "channels", "rate"),
    [("e.mp4", "aac", 2, 44100), ("e.mkv", "aac", 1, 22050), ("e.webm", "opus", 2, 44100), ("e.mov", "aac", 6, 47000)],
)
def test_sound_is_encoded_where_it_has_no_source(
    tmp_path: Path, name: str, codec: str, channels: int, rate: int
) -> None:
    clip = replace(picture_clip(12), audio=hum(1.5, rate, channels))
    clip.save(tmp_path / name)
    with av.open(str(tmp_path / name)) as container:
        stream = container.streams.audio[0]
        assert stream.codec_context.name == codec
        assert stream.codec_context.channels == channels
        decoded = list(container.decode(stream))
        assert sum(f.samples for f in decoded) / decoded[0].sample_rate == pytest.approx(1.0, abs=1 / 12)
    again = read_clip(tmp_path / name)
    assert again.audio is not None
    assert again.audio.duration == pytest.approx(clip.duration)
    tone = torch.fft.rfft(again.audio.samples[0]).abs().argmax()
    assert float(tone) == pytest.approx(220, abs=2)


def test_sound_whose_source_is_gone_is_encoded(tmp_path: Path) -> None:
    clip = replace(
        picture_clip(12), audio=hum(1.0), audio_origin=AudioOrigin(tmp_path / "gone.mp4", Fraction(0), Fraction(1))
    )
    clip.save(tmp_path / "o.mp4")
    assert read_clip(tmp_path / "o.mp4").audio is not None


@pytest.mark.parametrize("kind", ["pcm_s16le", "pcm_u8", "pcm_s24le", "flac"])
def test_sample_formats(tmp_path: Path, kind: str) -> None:
    path, wave = tmp_path / "s.mkv", hum(1.0, 16000, 1)
    with av.open(str(path), "w") as out:
        stream, sound = out.add_stream("mpeg4", rate=10), out.add_stream(kind, rate=16000, layout="mono")
        stream.height, stream.width, stream.pix_fmt = 32, 32, "yuv420p"
        for index in range(10):
            frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))
            frame.pts = index
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        piece = av.AudioFrame.from_ndarray(wave.samples.numpy(), format="fltp", layout="mono")
        piece.sample_rate, piece.pts = 16000, 0
        out.mux([*sound.encode(piece), *sound.encode(None)])
    audio = read_clip(path).audio
    assert audio is not None
    assert audio.rate == 16000
    assert (audio.samples - wave.samples).abs().max() < 0.02
