"""Reading: every container whole, colours, rotation and times as players have them."""

from __future__ import annotations

import gc
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from tests.clip.making import NTSC, make_video, picture_clip, seen
from vedit.clip import Clip, probe, read_clip
from vedit.errors import VeditWarning


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
    with pytest.warns(VeditWarning, match="uneven times"):
        info, clip = probe(path), read_clip(path)
    assert info.variable
    assert info.frames == len(clip)
    assert info.rate == clip.rate
    assert clip.duration == pytest.approx(1.5, abs=0.3)
    for index, shown in enumerate(seen(clip)):
        time = 1000 * index / float(clip.rate)
        assert shown == max(i for i, moment in enumerate(moments) if moment <= time + 1)
    with pytest.warns(VeditWarning, match="uneven times"):
        assert seen(read_clip(path, start=3, stride=2)) == seen(clip)[3::2]


def test_dropped_frames_of_a_regular_rate_are_held(tmp_path: Path) -> None:
    kept = [i for i in range(40) if i not in (5, 6, 20, 33)]
    path = make_video(tmp_path / "d.mkv", len(kept), rate=25, stamps=kept, tick=Fraction(1, 25))
    with pytest.warns(VeditWarning, match=r"read at 25 per second, the commonest rate \(repeated: 4\)"):
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


def test_frames_are_let_go_without_the_garbage_collector(tmp_path: Path) -> None:
    """Frames that wait for the collector are a gigabyte in a clip of ten seconds."""
    path = tmp_path / "clip.mp4"
    Clip(torch.rand(30, 3, 32, 32), Fraction(8)).save(path)
    gc.collect()
    gc.disable()
    try:
        before = sum(type(each) is av.VideoFrame for each in gc.get_objects())
        read_clip(path)
        held = sum(type(each) is av.VideoFrame for each in gc.get_objects()) - before
    finally:
        gc.enable()
    assert held <= 6  # those on their way, and the first of each pass over the file
