"""Clips: what goes in comes out, what is damaged is told, and what is written appears whole or not at all."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

from vedit.atomic import whole_file, whole_folder
from vedit.clip import Audio, Clip, SoundSource, fit_size, probe, read_clip
from vedit.errors import MediaError, VeditWarning

ASSETS = Path(os.environ.get("VEDIT_ASSETS", Path(__file__).resolve().parents[2] / "shared" / "assets"))
VIDEOS = ASSETS / "media" / "video"
needs_assets = pytest.mark.skipif(
    not VIDEOS.is_dir(), reason="real videos are not here; point VEDIT_ASSETS at a folder that has media/video"
)
NTSC = Fraction(30000, 1001)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


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


# ---- the nouns -----------------------------------------------------------------------------------------------


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


# ---- reading -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("a.mp4", "libx264", "yuv420p"),
        ("a.m4v", "libx264", "yuv420p"),
        ("a.mov", "libx264", "yuv420p10le"),
        ("a.mov", "qtrle", "rgb24"),
        ("a.mkv", "ffv1", "yuv444p"),
        ("a.mkv", "libx265", "yuv420p10le"),
        ("a.webm", "libvpx", "yuv420p"),
        ("a.webm", "libvpx-vp9", "yuv420p"),
        ("a.avi", "mpeg4", "yuv420p"),
        ("a.avi", "libx264", "yuv420p"),
    ],
)
def test_reads_every_container_whole(tmp_path: Path, name: str, codec: str, pixels: str) -> None:
    path = make_video(tmp_path / name, codec=codec, pixels=pixels, rate=NTSC)
    clip = read_clip(path)
    assert clip.rate == NTSC
    assert clip.size == (48, 64)
    assert clip.audio is None
    assert seen(clip) == list(range(30))
    assert seen(read_clip(path, start=13, stride=4, frames=4)) == [13, 17, 21, 25]
    info = probe(path)
    assert (info.frames, info.rate, info.size, info.variable, info.complaint) == (30, NTSC, (48, 64), False, None)


def test_colours_survive(tmp_path: Path) -> None:
    """Red, green, blue, tagged BT.709: a wrong matrix or range shows as an error of 0.05 and more."""
    frames = torch.zeros(3, 3, 32, 32)
    for index in range(3):
        frames[index, index] = 0.8
    for name in ("a.mp4", "a.mkv", "a.webm"):
        Clip(frames, Fraction(4)).save(tmp_path / name)
        assert (read_clip(tmp_path / name).frames - frames).abs().max() < 0.03


def test_untagged_colours_follow_the_players_rule(tmp_path: Path) -> None:
    """Without a tag: BT.601 for small pictures, BT.709 from 720 lines on."""
    for height, matrix in ((96, "itu601"), (720, "itu709")):
        red = np.zeros((height, 96, 3), np.uint8)
        red[..., 0] = 200
        path = tmp_path / f"{height}.mkv"
        with av.open(str(path), "w") as out:
            stream = out.add_stream("ffv1", rate=5)
            stream.height, stream.width, stream.pix_fmt = height, 96, "yuv444p"
            frame = av.VideoFrame.from_ndarray(red).reformat(format="yuv444p", dst_colorspace=matrix)
            frame.colorspace, frame.pts = 2, 0
            out.mux([*stream.encode(frame), *stream.encode(None)])
        mean = read_clip(path).frames.mean((0, 2, 3)) * 255
        assert mean.tolist() == pytest.approx([200, 0, 0], abs=4)


def test_ten_bits_keep_their_depth(tmp_path: Path) -> None:
    path = tmp_path / "ramp.mkv"
    ramp = np.tile(np.arange(64, 64 + 256, dtype=np.uint16) * 64, (16, 1))
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=5)
        stream.height, stream.width, stream.pix_fmt = 16, 256, "gray16le"
        frame = av.VideoFrame.from_ndarray(ramp, format="gray16le")
        frame.pts = 0
        out.mux([*stream.encode(frame), *stream.encode(None)])
    assert len(read_clip(path).frames[0, 0, 8].unique()) > 250  # 8 bits would leave about 64


def test_transparent_lies_on_black(tmp_path: Path) -> None:
    path = tmp_path / "alpha.mov"
    picture = np.full((32, 32, 4), 200, np.uint8)
    picture[:, :16, 3], picture[:, 16:, 3] = 255, 0
    with av.open(str(path), "w") as out:
        stream = out.add_stream("qtrle", rate=5)
        stream.height, stream.width, stream.pix_fmt = 32, 32, "argb"
        frame = av.VideoFrame.from_ndarray(picture, format="rgba").reformat(format="argb")
        frame.pts = 0
        out.mux([*stream.encode(frame), *stream.encode(None)])
    frames = read_clip(path).frames
    assert frames[..., :16].mean() == pytest.approx(200 / 255, abs=0.01)
    assert frames[..., 16:].max() == 0


@pytest.mark.parametrize("rotation", [90, 180, -90])
def test_rotation_is_applied(tmp_path: Path, rotation: int) -> None:
    path = tmp_path / "turned.mp4"
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:16, :16] = 255  # white at the upper left
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=5)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        stream.set_display_rotation(rotation)
        for index in range(3):
            frame = av.VideoFrame.from_ndarray(picture)
            frame.pts = index
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    clip = read_clip(path)
    with av.open(str(path)) as container:
        counterclockwise = next(container.decode(video=0)).rotation
    expected = np.rot90(picture, counterclockwise // 90)
    assert clip.size == expected.shape[:2] == probe(path).size
    assert np.abs(clip.frames[0].permute(1, 2, 0).numpy() - expected / 255).mean() < 0.02


def test_size_is_the_longer_side_or_exact(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", count=4, size=(48, 66))
    assert read_clip(path, size=33).size == (24, 33)
    assert read_clip(path, size=(20, 30)).size == (20, 30)
    assert torch.equal(read_clip(path, size=33).frames, read_clip(path).resized(33).frames)


def test_variable_rate_is_shown_by_time(tmp_path: Path) -> None:
    """Frames at irregular moments: each output frame is what a viewer would see at that time, to the end."""
    moments = [0, 20, 40, 400, 420, 440, 460, 1000, 1020, 1500]  # ms
    path = make_video(tmp_path / "v.mp4", 10, rate=50, stamps=moments, tick=Fraction(1, 1000))
    info, clip = probe(path), read_clip(path)
    assert info.variable
    assert info.frames == len(clip)
    assert info.rate == clip.rate
    assert clip.duration == pytest.approx(1.5, abs=0.3)
    for index, shown in enumerate(seen(clip)):
        time = 1000 * index / float(clip.rate)
        assert shown == max(i for i, moment in enumerate(moments) if moment <= time + 1)
    assert seen(read_clip(path, start=3, stride=2)) == seen(clip)[3::2]


def test_dropped_frames_of_a_regular_rate_are_held(tmp_path: Path) -> None:
    kept = [i for i in range(40) if i not in (5, 6, 20, 33)]
    path = make_video(tmp_path / "d.mkv", len(kept), rate=25, stamps=kept, tick=Fraction(1, 25))
    clip = read_clip(path)
    assert clip.rate == 25
    assert len(clip) == 40
    shown = seen(clip)
    assert shown[4:8] == [4, 4, 4, 5]
    assert shown[39] == len(kept) - 1


def test_rounded_stamps_are_still_constant(tmp_path: Path) -> None:
    path = tmp_path / "m.mkv"
    picture_clip(40, rate=Fraction(60000, 1001)).save(path)  # Matroska rounds to 1 ms
    info = probe(path)
    assert info.rate == Fraction(60000, 1001)
    assert not info.variable
    assert info.frames == 40


def test_hidden_reference_frames_are_not_missed(tmp_path: Path) -> None:
    path = tmp_path / "alt.webm"
    with av.open(str(path), "w") as out:
        options = {"auto-alt-ref": "1", "lag-in-frames": "16", "b": "200k", "deadline": "good", "cpu-used": "5"}
        stream = out.add_stream("libvpx", rate=25, options=options)
        stream.height, stream.width, stream.pix_fmt = 64, 64, "yuv420p"
        noise = np.random.default_rng(0).integers(0, 255, (64, 128, 3), np.uint8)
        for index in range(50):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(noise[:, index : index + 64]))
            frame.pts = index
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    assert len(read_clip(path)) == 50


def test_files_without_a_stated_length_are_healthy(tmp_path: Path) -> None:
    """As browsers record: Matroska live, and fragmented mp4."""
    live = make_video(tmp_path / "live.webm", codec="libvpx", options={"live": "1"})
    pieces = make_video(tmp_path / "f.mp4", options={"movflags": "frag_keyframe+empty_moov"}, faststart=False)
    for path in (live, pieces):
        assert seen(read_clip(path)) == list(range(30))
        assert probe(path).complaint is None


def test_reading_starts_at_a_key_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vedit.clip import reading

    path = make_video(tmp_path / "long.mp4", 45, keyint=10)
    counts: list[int] = []
    original = reading._decoded

    def counted(*given):
        for frame in original(*given):
            counts.append(1)
            yield frame

    monkeypatch.setattr(reading, "_decoded", counted)
    assert seen(read_clip(path, start=33, frames=2)) == [33, 34]
    assert len(counts) < 10  # from frame 30 on, and no further than 34


def test_stretched_pixels_are_remarked(tmp_path: Path) -> None:
    path = tmp_path / "dv.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=5)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(16, 11)
        frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8))
        frame.pts = 0
        out.mux([*stream.encode(frame), *stream.encode(None)])
    with pytest.warns(VeditWarning, match="not square"):
        assert read_clip(path).size == (48, 64)


def test_odd_names_are_paths(tmp_path: Path) -> None:
    for name in ("a:b c.mp4", "ünï%05d.mp4", "concat:x.mp4"):
        picture_clip(2).save(tmp_path / name)
        assert len(read_clip(tmp_path / name)) == 2


# ---- sound ---------------------------------------------------------------------------------------------------


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
        picture_clip(12), audio=hum(1.0), sound_from=SoundSource(tmp_path / "gone.mp4", Fraction(0), Fraction(1))
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


# ---- what is wrong is told -----------------------------------------------------------------------------------


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


# ---- folders of pictures and GIF -----------------------------------------------------------------------------


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


def test_bombs_are_refused(tmp_path: Path) -> None:
    Image.new("1", (9000, 9000)).save(tmp_path / "0.png")
    with pytest.raises(MediaError, match="too large"):
        read_clip(tmp_path)


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


# ---- writing -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.mp4", "a.m4v", "a.mov", "a.mkv", "a.webm"])
@pytest.mark.parametrize("size", [(48, 64), (47, 63), (1, 1)])
def test_written_clips_keep_size_rate_and_picture(tmp_path: Path, name: str, size: tuple[int, int]) -> None:
    clip = picture_clip(8, size, NTSC)
    clip.save(tmp_path / name)
    again = read_clip(tmp_path / name)
    assert again.size == size
    assert again.rate == NTSC
    assert len(again) == 8
    assert (again.frames - clip.frames).abs().mean() < 0.03
    assert list(tmp_path.iterdir()) == [tmp_path / name]


@pytest.mark.parametrize("rate", [Fraction(8), Fraction(10, 3), Fraction(24000, 1001), Fraction(1000, 7)])
def test_rates_are_exact(tmp_path: Path, rate: Fraction) -> None:
    picture_clip(9, rate=rate).save(tmp_path / "a.mp4")
    info = probe(tmp_path / "a.mp4")
    assert info.rate == rate
    assert info.frames == 9
    assert info.duration == pytest.approx(9 / rate)


def test_pictures_are_tagged(tmp_path: Path) -> None:
    picture_clip(2).save(tmp_path / "a.mp4")
    with av.open(str(tmp_path / "a.mp4")) as container:
        frame = next(container.decode(video=0))
        assert (frame.color_primaries, frame.color_trc, frame.colorspace, frame.color_range) == (1, 1, 1, 1)
        assert frame.format.name == "yuv420p"


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.webm", "a.gif"])
def test_the_same_clip_gives_the_same_bytes(tmp_path: Path, name: str) -> None:
    clip = replace(picture_clip(10), audio=hum(0.8))
    clip.save(tmp_path / name)
    first = (tmp_path / name).read_bytes()
    for length in (100, 5000, 20000, 300000):
        litter = [os.urandom(length + k) for k in range(20)]  # other memory under the encoder's feet
        del litter[::2]
        clip.save(tmp_path / name, overwrite=True)
        assert (tmp_path / name).read_bytes() == first


def test_crf_decides_the_size(tmp_path: Path) -> None:
    clip = picture_clip(10, (96, 96))
    clip.save(tmp_path / "good.mp4", crf=8)
    clip.save(tmp_path / "poor.mp4", crf=45)
    assert (tmp_path / "good.mp4").stat().st_size > 1.5 * (tmp_path / "poor.mp4").stat().st_size


def test_writing_faults_leave_nothing_behind(tmp_path: Path) -> None:
    clip = picture_clip(3)
    there = tmp_path / "there.mp4"
    there.write_text("old")
    broken = clip.with_frames(torch.where(torch.arange(3).view(3, 1, 1, 1) == 2, torch.nan, clip.frames))
    for bad, target, settings, told in (
        (clip, there, {}, "exists"),
        (clip, tmp_path / "no" / "a.mp4", {}, "does not exist"),
        (clip, tmp_path / "a.xyz", {}, "cannot be written"),
        (clip, tmp_path / "a.avi", {}, "cannot be written"),
        (clip, tmp_path / "a.mp4", {"codec": "nonsense"}, "not available"),
        (clip, tmp_path / "a.mp4", {"codec": "aac"}, "not encode pictures"),
        (clip, tmp_path / "a.webm", {"codec": "libx265"}, "could not be|does not fit"),
        (broken, tmp_path / "a.mp4", {}, "not numbers"),
        (broken, there, {"overwrite": True}, "not numbers"),
        (broken, tmp_path / "a.gif", {}, "not numbers"),
        (broken, tmp_path / "folder", {}, "not numbers"),
    ):
        with pytest.raises(MediaError, match=told):
            bad.save(target, **settings)  # type: ignore[arg-type]
    assert [p.name for p in tmp_path.iterdir()] == ["there.mp4"]
    assert there.read_text() == "old"


def test_a_clip_may_replace_its_own_source(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", 30, rate=20, sound_at=0.0)
    read_clip(path).save(path, overwrite=True)
    assert beep_at(read_clip(path)) == pytest.approx(0.5, abs=0.01)


def _break_off(path: Path) -> None:
    path.write_text("half")
    raise KeyboardInterrupt


def test_whole_file(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    with whole_file(target) as beside:
        assert beside.suffix == ".txt"
        assert beside.parent == tmp_path
        assert beside.name.startswith(".")
        beside.write_text("new")
        assert not target.exists()
    assert target.read_text() == "new"
    with pytest.raises(KeyboardInterrupt), whole_file(target, overwrite=True) as beside:
        _break_off(beside)
    with pytest.raises(MediaError, match="No space left"), whole_file(target, overwrite=True):
        raise OSError(28, "No space left on device")
    with pytest.raises(MediaError, match="is a folder"), whole_file(tmp_path, overwrite=True):
        pass
    with pytest.raises(KeyboardInterrupt), whole_folder(tmp_path / "f") as beside:
        _break_off(beside / "x")
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    assert target.read_text() == "new"


# ---- real videos ---------------------------------------------------------------------------------------------

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
