"""Sound files, and the sound of videos, read whole."""

from __future__ import annotations

import os
import struct
import tracemalloc
import warnings
import wave as wavefile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from tests.clip.making import make_video, picture_clip
from vedit.clip import Audio, audio_stream, read_clip
from vedit.clip.audio_file import SOUNDS, part_of, read_sound
from vedit.errors import MediaError, VeditWarning

CODECS = {
    ".wav": "pcm_s16le", ".mp3": "libmp3lame", ".flac": "flac", ".ogg": "flac", ".opus": "libopus", ".m4a": "aac",
    ".aac": "aac", ".aiff": "pcm_s16be", ".ac3": "ac3", ".mka": "libopus", ".caf": "pcm_s16be", ".au": "pcm_s16be",
    ".w64": "pcm_s16le", ".wv": "wavpack", ".mp4": "aac", ".mov": "pcm_s16le", ".mkv": "aac", ".webm": "libopus",
    ".avi": "mp3",
}  # fmt: skip
LOSSLESS = {".wav", ".flac", ".ogg", ".aiff", ".caf", ".au", ".w64", ".mov"}


def beep(seconds: float = 2.0, rate: int = 48000, channels: int = 2, at: float = 0.5) -> torch.Tensor:
    """Quiet noise, and from `at` on a loud tone for a tenth of a second: (C, L)."""
    wave = torch.randn(channels, round(seconds * rate), generator=torch.manual_seed(0)) * 0.01
    first, count = round(at * rate), rate // 10
    wave[:, first : first + count] += 0.8 * torch.sin(torch.arange(count) * 2 * torch.pi * 1000 / rate)
    return wave


def write(path: Path, wave: torch.Tensor, rate: int = 48000, codec: str | None = None, first: int = 0) -> Path:
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[len(wave)]
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec or CODECS[path.suffix], rate=rate, layout=layout)
        frame = av.AudioFrame.from_ndarray(wave.contiguous().numpy(), format="fltp", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, first, Fraction(1, rate)
        out.mux([*stream.encode(frame), *stream.encode(None)])
    return path


@pytest.mark.parametrize(("suffix", "out"), [(".mp3", ".mp4"), (".flac", ".mkv"), (".opus", ".webm"), (".wav", ".mov")])
@pytest.mark.parametrize("start", [0.0, 0.3])
def test_a_sound_file_is_copied_as_it_is(tmp_path: Path, suffix: str, out: str, start: float) -> None:
    file, made = write(tmp_path / f"a{suffix}", beep(3.0, at=0.8)), tmp_path / f"o{out}"
    whole = read_sound(file)
    excerpt = Audio(whole.samples[:, round(start * whole.rate) :][:, : 2 * whole.rate], whole.rate)
    clip = replace(picture_clip(16, rate=8), audio=excerpt, audio_origin=part_of(file, start, Fraction(2)))
    clip.save(made, codec="libvpx-vp9" if out == ".webm" else "libx264")

    def packets(path: Path) -> list[bytes]:
        with av.open(str(path)) as container:
            return [bytes(packet) for packet in container.demux(audio=0) if packet.size]

    if suffix == ".wav":  # whose packets are as long as whoever reads them likes
        assert b"".join(packets(made)) in b"".join(packets(file))
    else:
        assert set(packets(made)) <= set(packets(file))
    copied = read_sound(made)
    assert copied.duration == pytest.approx(2, abs=1 / 8)
    assert begins(copied) == pytest.approx(0.8 - start, abs=0.002)


@pytest.mark.parametrize("out", [".mp4", ".m4v", ".mov", ".mkv"])
def test_an_mp3_of_low_rate_goes_into_every_container(tmp_path: Path, out: str) -> None:
    """MP4 carries none below 16 kHz, so there it is encoded anew."""
    file = write(tmp_path / "a.mp3", beep(2.0, 8000, 1), 8000)
    clip = replace(picture_clip(16, rate=8), audio=read_sound(file), audio_origin=part_of(file, 0, Fraction(2)))
    clip.save(tmp_path / f"o{out}")
    assert begins(read_sound(tmp_path / f"o{out}")) == pytest.approx(0.5, abs=0.05)


def test_what_could_not_be_cut_to_a_frame_is_encoded(tmp_path: Path) -> None:
    file = write(tmp_path / "a.flac", beep(3.0))  # packets of 96 ms
    clip = picture_clip(130, rate=60)
    clip = replace(clip, audio=read_sound(file), audio_origin=part_of(file, 0, Fraction(130, 60)))
    clip.save(tmp_path / "o.mkv")
    with av.open(str(tmp_path / "o.mkv")) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
    assert read_sound(tmp_path / "o.mkv").duration == pytest.approx(130 / 60, abs=0.03)


def begins(audio: Audio) -> float:
    return float((audio.samples.abs().amax(0) > 0.3).nonzero()[0] / audio.rate)


@pytest.mark.parametrize("suffix", CODECS)
def test_formats(tmp_path: Path, suffix: str) -> None:
    wave = beep()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        audio = read_sound(write(tmp_path / f"a{suffix}", wave))
    assert audio.rate == 48000
    assert audio.samples.dtype == torch.float32
    assert audio.samples.shape[0] == 2
    assert audio.duration == pytest.approx(2.0, abs=0.06)
    # A raw stream cannot tell how much its encoder has put before the sound.
    assert begins(audio) == pytest.approx(0.5, abs=0.03 if suffix in (".aac", ".avi", ".ac3") else 0.003)
    if suffix in LOSSLESS:
        assert audio.samples.shape == wave.shape
        assert (audio.samples - wave).abs().max() < 1e-3


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (96000, 6), (11025, 2)])
def test_rates_and_channels(tmp_path: Path, rate: int, channels: int) -> None:
    wave = beep(1.0, rate, channels)
    audio = read_sound(write(tmp_path / "a.wav", wave, rate))
    assert audio.rate == rate
    assert audio.samples.shape == wave.shape
    assert (audio.samples - wave).abs().max() < 1e-3


def test_the_sound_of_a_video_begins_with_its_pictures(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.mp4", 30, rate=20, sound_at=0.3)
    assert begins(read_sound(path)) == pytest.approx(0.8, abs=0.01)


def test_samples_are_within_one(tmp_path: Path) -> None:
    audio = read_sound(write(tmp_path / "a.wav", beep() * 4, codec="pcm_f32le"))
    assert audio.samples.abs().max() == 1


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_samples_that_are_no_numbers_become_silence(tmp_path: Path, value: float) -> None:
    wave = beep()
    wave[1, 12000:12003] = value
    path = write(tmp_path / "a.wav", wave, codec="pcm_f32le")
    with pytest.warns(VeditWarning, match=r"3 samples are no numbers .* the first at 0\.250 s") as told:
        audio = read_sound(path)
    assert told[0].filename == __file__
    assert not audio.samples[1, 12000:12003].any()
    assert torch.equal(audio.samples[0], wave[0])


def test_one_sample(tmp_path: Path) -> None:
    assert read_sound(write(tmp_path / "a.wav", torch.full((1, 1), 0.5))).samples.tolist() == [[0.5]]


@pytest.mark.parametrize("suffix", [".wav", ".mp3", ".flac", ".opus", ".m4a", ".aac", ".aiff", ".mka", ".avi", ".mp4"])
def test_what_is_cut_short_is_told(tmp_path: Path, suffix: str) -> None:
    data = write(tmp_path / f"a{suffix}", beep()).read_bytes()
    path = tmp_path / f"b{suffix}"
    path.write_bytes(data[: int(len(data) * 0.6) // 4 * 4])
    with pytest.raises(MediaError, match=r"cut short|damaged"):
        read_sound(path)
    if suffix not in (".m4a", ".mp4"):  # which have their index at the end
        with pytest.warns(VeditWarning, match="going on with what there is"):
            part = read_sound(path, allow_partial=True)
        assert begins(part) == pytest.approx(0.5, abs=0.03)
        assert part.duration < 1.6


def test_what_is_too_slow_to_be_a_sound_is_told(tmp_path: Path) -> None:
    with wavefile.open(str(tmp_path / "a.wav"), "wb") as out:
        out.setparams((1, 2, 1, 0, "NONE", ""))
        out.writeframes(bytes(10))
    with pytest.raises(MediaError, match="has 1 samples per second; expected 1,000 to 1,000,000"):
        read_sound(tmp_path / "a.wav")


def raw_wav(path: Path, channels: int, bits: int, rate: int, data: bytes) -> Path:
    """A wav file that says so of itself, whether or not it can be."""
    block = channels * bits // 8
    kind = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, rate, rate * block % 2**32, block % 2**16, bits)
    path.write_bytes(
        b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVE" + kind + struct.pack("<4sI", b"data", len(data)) + data
    )
    return path


@pytest.mark.parametrize(
    ("channels", "bits", "rate"),
    [
        (1, 0, 8000),
        (1, 65535, 8000),
        (0, 16, 8000),
        (1, 8, 0),
        (1, 8, 999),
        (1, 8, 2**31 - 1),
        (65535, 8, 8000),
    ],
)
def test_a_wav_that_cannot_be_is_told(tmp_path: Path, channels: int, bits: int, rate: int) -> None:
    path = raw_wav(tmp_path / "a.wav", channels, bits, rate, bytes(16000))
    with pytest.raises(MediaError) as told:
        read_sound(path)
    assert str(path) in str(told.value)


@pytest.mark.parametrize("channels", [3, 7, 8, 9, 64])
def test_any_number_of_channels_is_read_and_written(tmp_path: Path, channels: int) -> None:
    """Those of the usual arrangements one by one; of more, their mean."""
    wave = np.sin(np.arange(8000)[:, None] * 0.02 * (1 + np.arange(channels) / 50)) * 8000
    path = raw_wav(tmp_path / "a.wav", channels, 16, 8000, wave.astype("<i2").tobytes())
    audio = read_sound(path)
    assert audio.samples.shape == (channels, 8000)
    assert (audio.samples - torch.from_numpy(wave.T) / 32768).abs().max() < 1e-4
    picture_clip(8, rate=8).with_sound(audio).save(tmp_path / "o.mp4")
    again = read_clip(tmp_path / "o.mp4").audio
    assert again is not None
    assert len(again.samples) == (channels if channels <= 8 else 1)
    if channels <= 8:
        levels = (again.samples**2).mean(1).sqrt()
        assert levels.min() > 0.05


def test_the_links_of_a_chained_ogg_follow_each_other(tmp_path: Path) -> None:
    """As a radio station's recording: each begins at time 0 again."""
    first, second = (write(tmp_path / f"{at}.ogg", beep(1.5, at=at), codec="libopus") for at in (0.2, 0.9))
    (tmp_path / "both.ogg").write_bytes(first.read_bytes() + second.read_bytes())
    audio = read_sound(tmp_path / "both.ogg")
    assert audio.duration == pytest.approx(3.0, abs=0.05)
    loud = (audio.samples.abs().amax(0) > 0.4).nonzero()[:, 0] / audio.rate
    assert float(loud[0]) == pytest.approx(0.2, abs=0.02)
    assert float(loud[loud > 1][0]) == pytest.approx(1.5 + 0.9, abs=0.05)
    clip = picture_clip(24, rate=8)
    clip = replace(clip, audio=audio, audio_origin=part_of(tmp_path / "both.ogg", 0, Fraction(3)))
    clip.save(tmp_path / "o.mkv")
    again = read_sound(tmp_path / "o.mkv")
    assert again.duration == pytest.approx(3.0, abs=0.1)
    assert float((again.samples.abs().amax(0) > 0.4).nonzero()[-1, 0] / again.rate) == pytest.approx(2.5, abs=0.05)


def test_a_hole_in_the_time_of_a_sound_is_told(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mkv", 20, rate=20, sound_at=0.0)
    with av.open(str(path)) as container, av.open(str(tmp_path / "b.mkv"), "w") as out:
        copied = {stream.index: out.add_stream_from_template(stream) for stream in container.streams}
        for packet in container.demux():
            if packet.size:
                if packet.stream.type == "audio" and packet.pts > 500:
                    packet.pts = packet.dts = packet.pts + 100_000_000
                packet.stream = copied[packet.stream.index]
                out.mux_one(packet)
    with pytest.raises(MediaError, match=r"time stamps jump by [0-9,]+ s"):
        read_sound(tmp_path / "b.mkv")
    with pytest.warns(VeditWarning, match="jump"):
        assert read_sound(tmp_path / "b.mkv", allow_partial=True).duration == pytest.approx(1, abs=0.1)


def test_many_gigabytes_of_nothing_are_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vedit.clip import video_track

    path = write(tmp_path / "a.wav", beep())
    with path.open("r+b") as file:
        file.truncate(10**12)  # zeros behind its data, each eight of which could be an empty part of the file
    monkeypatch.setattr(video_track, "PATIENCE", 0.2)
    with pytest.raises(MediaError, match="takes too long to be read"):
        read_sound(path)


def test_a_sound_is_read_without_many_copies(tmp_path: Path) -> None:
    path = raw_wav(tmp_path / "a.wav", 2, 16, 48000, bytes(4 * 48000 * 20))
    read_sound(path)
    tracemalloc.start()
    try:
        audio = read_sound(path)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 2 * audio.samples.numel() * 4


def test_a_wav_of_unknown_length_is_whole(tmp_path: Path) -> None:
    """Programs that write into a pipe state the greatest length that there is."""
    data = bytearray(write(tmp_path / "a.wav", beep()).read_bytes())
    at = data.index(b"data") + 4
    data[4:8] = data[at : at + 4] = b"\xff\xff\xff\xff"
    (tmp_path / "b.wav").write_bytes(data)
    assert read_sound(tmp_path / "b.wav").duration == pytest.approx(2.0)


def test_too_long_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.wav", beep())
    aac = write(tmp_path / "a.aac", beep())
    monkeypatch.setattr(audio_stream, "LONGEST", 1)
    for each in (path, aac):  # which does and does not state its length
        with pytest.raises(MediaError, match="at most 1 s of such are read; cut out the part you need"):
            read_sound(each)
    monkeypatch.undo()
    monkeypatch.setattr(audio_stream, "MOST_VALUES", 2 * 48000)
    with pytest.raises(MediaError, match="at most 1 s"):
        read_sound(path)


def test_what_is_no_sound(tmp_path: Path) -> None:
    def told(path: Path, what: str) -> None:
        with pytest.raises(MediaError, match=what) as raised:
            read_sound(path)
        assert "\n" not in str(raised.value)

    told(tmp_path / "none.mp3", "does not exist; expected a sound file")
    told(tmp_path, "is a folder")
    (tmp_path / "empty.wav").touch()
    told(tmp_path / "empty.wav", "is empty")
    for suffix in SOUNDS:
        (tmp_path / f"text{suffix}").write_text("no sound, only words\n" * 200)
        told(tmp_path / f"text{suffix}", "cannot be read as sound|no sound that can be decoded")
    (tmp_path / "a.txt").write_text("words")
    told(tmp_path / "a.txt", "files named .txt are not read as sound")
    told(make_video(tmp_path / "mute.mp4", 5), r"has no sound \(only pictures\)")
    with wavefile.open(str(tmp_path / "nothing.wav"), "wb") as out:
        out.setparams((1, 2, 8000, 0, "NONE", ""))
    told(tmp_path / "nothing.wav", "holds no sound that can be decoded")
    told(tmp_path / "nul\0.wav", r"does not exist|cannot be opened")
    os.mkfifo(tmp_path / "pipe.wav")
    told(tmp_path / "pipe.wav", "not a plain file")


def test_a_playlist_is_not_followed(tmp_path: Path) -> None:
    write(tmp_path / "secret.ts", beep(), codec="aac")
    lines = "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:2.0,\nsecret.ts\n#EXT-X-ENDLIST\n"
    (tmp_path / "a.mp3").write_text(lines)
    with pytest.raises(MediaError, match="cannot be read as sound"):
        read_sound(tmp_path / "a.mp3")


def test_random_bytes_raise_one_kind_of_error(tmp_path: Path) -> None:
    heads = {".mp3": b"ID3\4\0\0\0\0\0\0", ".flac": b"fLaC", ".ogg": b"OggS\0\2", ".wav": b"RIFF\0\1\0\0WAVEfmt "}
    for suffix, head in heads.items():
        for seed in range(8):
            path = tmp_path / f"r{seed}{suffix}"
            path.write_bytes(head + np.random.default_rng(seed).bytes(4000))
            with pytest.raises(MediaError):
                read_sound(path)
