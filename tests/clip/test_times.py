"""Which frames there are, and when: what a file says about itself in several places, compared and kept to or told."""

from __future__ import annotations

import warnings
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from tests.clip.making import make_video, picture_clip, seen
from vedit.clip import Clip, probe, read_clip
from vedit.errors import MediaError, VeditWarning


def trimmed(source: Path, target: Path, first: int, last: int | None = None) -> Path:
    """The frames of a video from ``first`` on, up to ``last``, without encoding, as phones and `ffmpeg -c copy` trim:
    from the key frame before it on, with an edit list that hides what comes before ``first``."""
    with av.open(str(source)) as container, av.open(str(target), "w") as out:
        stream = container.streams.video[0]
        copied = out.add_stream_from_template(stream)
        packets = [packet for packet in container.demux(stream) if packet.size]
        moments = sorted(packet.pts for packet in packets)
        begin = moments[first]
        key = max(packet.pts for packet in packets if packet.is_keyframe and packet.pts <= begin)
        for packet in packets:
            if packet.pts >= key and (last is None or packet.pts < moments[last]):
                packet.pts, packet.dts, packet.stream = packet.pts - begin, packet.dts - begin, copied
                out.mux(packet)
    return target


@pytest.mark.parametrize("first", [5, 8, 13, 19])
@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_a_clip_that_begins_within_a_group_of_pictures_is_whole(tmp_path: Path, first: int, suffix: str) -> None:
    source = make_video(tmp_path / "a.mp4", 24, rate=12, keyint=12)
    path = trimmed(source, tmp_path / f"b{suffix}", first)
    with av.open(str(path)) as container:
        assert any(packet.is_discard for packet in container.demux(video=0)), "else there is nothing to be tested"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clip = read_clip(path)
    assert seen(clip) == list(range(first, 24))
    assert clip.rate == 12
    assert probe(path).frames == 24 - first
    assert seen(read_clip(path, start=3, frames=2)) == [first + 3, first + 4]
    assert seen(read_clip(path, start=24 - first - 1)) == [23]


def test_one_pause_does_not_change_the_rate(tmp_path: Path) -> None:
    stamps = [*range(10), *range(45, 55)]
    path = make_video(tmp_path / "p.mp4", 20, rate=12, stamps=stamps, tick=Fraction(1, 12))
    with pytest.warns(VeditWarning, match=r"uneven times; they are read at 12 per second, .* \(repeated: 35\)"):
        clip = read_clip(path)
    assert clip.rate == 12
    assert seen(clip) == [*range(9), *[9] * 36, *range(10, 20)]
    info = probe(path)
    assert (info.rate, info.frames, info.variable) == (12, 55, True)


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    """Ten frames of 100 ms, then three of 10 ms."""
    stamps = [*range(0, 1000, 100), 1000, 1010, 1020]
    path = make_video(tmp_path / "q.mkv", 13, rate=10, stamps=stamps, tick=Fraction(1, 1000))
    with pytest.warns(VeditWarning, match=r"read at 10 per second, the commonest rate \(left out: 2 of 13\)"):
        clip = read_clip(path)
    assert seen(clip) == [*range(10), 12]


def stamped(source: Path, target: Path, stamps: list[int]) -> Path:
    """The packets of a video without reordering, with other time stamps; Matroska takes any."""
    with av.open(str(source)) as container, av.open(str(target), "w") as out:
        stream = container.streams.video[0]
        copied = out.add_stream_from_template(stream)
        packets = [packet for packet in container.demux(stream) if packet.size]
        for packet, stamp in zip(packets, stamps, strict=True):
            packet.pts = packet.dts = stamp
            packet.time_base, packet.stream = Fraction(1, 1000), copied
            out.mux(packet)
    return target


@pytest.mark.parametrize(
    ("stamps", "told", "rate"),
    [
        ([0] * 20, "19 of its frames have the time stamp of another", 25),
        ([100 * (index // 2) for index in range(20)], "10 of its frames have the time stamp of another", 20),
        ([*range(0, 1900, 100), 2**31], r"its time stamps jump by 2,14\d,\d\d\d s", 10),
        ([*range(0, 1000, 100), *range(10**8, 10**8 + 1000, 100)], r"its time stamps jump by 99,999 s", 10),
    ],
    ids=["zero", "pairs", "far", "hole"],
)
def test_impossible_time_stamps_lose_no_frames(tmp_path: Path, stamps: list[int], told: str, rate: int) -> None:
    source = make_video(tmp_path / "a.avi", 20, rate=10, codec="mjpeg", pixels="yuvj420p")
    path = stamped(source, tmp_path / "b.mkv", stamps)
    with pytest.warns(VeditWarning, match=f"{told}, so its 20 frames are read in their order, {rate} per second"):
        clip = read_clip(path)
    assert seen(clip) == list(range(20))
    assert clip.rate == rate
    assert probe(path).frames == 20


def test_an_impossible_rate_is_told(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", 5, rate=12800)
    with pytest.raises(MediaError, match=r"has 12800 frames per second; expected 0.01 to 1000"):
        read_clip(path)


def test_a_stride_beyond_the_end_is_told(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", 5)
    assert seen(read_clip(path, stride=5)) == [0]
    for stride in (6, 10**19):
        with pytest.raises(MediaError, match=f"has 5 frames, and stride {stride} would leave one"):
            read_clip(path, stride=stride)


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "libx264"), ("a.webm", "libvpx-vp9"), ("a.avi", "mpeg4")])
@pytest.mark.parametrize("lost", [1, 40, 0.01, 0.03, 0.1, 0.3])
def test_not_a_byte_is_missed_in_silence(tmp_path: Path, name: str, codec: str, lost: float) -> None:
    path = make_video(tmp_path / name, 40, codec=codec, pixels="yuv420p", sound_at=0.0 if name != "a.avi" else None)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) - (lost if isinstance(lost, int) else round(len(data) * lost))])
    if (name, lost) == ("a.avi", 1):
        return  # which may be padding, and some writers leave it out
    with pytest.raises(MediaError, match=r"cut short.* --allow-partial"):
        read_clip(path)
    with pytest.warns(VeditWarning) as told:
        assert len(read_clip(path, allow_partial=True)) >= 12
    assert any("cut short" in str(each.message) for each in told)


def test_a_live_recording_cut_within_a_frame_is_told(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.webm", codec="libvpx", options={"live": "1"})
    data = path.read_bytes()
    path.write_bytes(data[:-3])
    with pytest.raises(MediaError, match="cut short"):
        read_clip(path)


def test_a_damaged_gif_is_told(tmp_path: Path) -> None:
    """Bytes written over in the middle: decoders make a picture of them, which is not the one that was meant."""
    picture = (picture_clip(1, (200, 300)).frames[0].mean(0) * 255).round().byte().numpy()
    Image.fromarray(picture).save(tmp_path / "a.gif")
    assert len(read_clip(tmp_path / "a.gif")) == 1
    data = bytearray((tmp_path / "a.gif").read_bytes())
    for seed in range(100):
        other = bytearray(data)
        noise = np.random.default_rng(seed)
        at = int(noise.integers(1000, len(data) - 300))  # behind the palette
        other[at : at + 100] = noise.bytes(100)
        (tmp_path / "b.gif").write_bytes(other)
        with pytest.raises(MediaError, match=r"is damaged|no picture|breaks off"):
            read_clip(tmp_path / "b.gif")


def test_a_gif_of_gigabytes_is_told_at_once(tmp_path: Path) -> None:
    picture_clip(2).save(tmp_path / "a.gif")
    with (tmp_path / "a.gif").open("r+b") as file:
        file.truncate(10**11)
    with pytest.raises(MediaError, match="expected a smaller GIF, or a video"):
        read_clip(tmp_path / "a.gif")


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", 5)
    assert probe(path).frames == len(read_clip(path)) == 5
    make_video(path, 9)
    assert probe(path).frames == len(read_clip(path)) == 9


def test_a_file_is_read_through_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vedit.clip import video_track

    path = make_video(tmp_path / "once.mp4", 5)
    probe(path)
    monkeypatch.setattr(video_track, "lacks_end", lambda path: pytest.fail("it was scanned twice"))
    probe(path)
    assert len(read_clip(path)) == 5


def test_pictures_that_change_their_size_are_told(tmp_path: Path) -> None:
    """As of a call whose connection gets worse: the same stream, with other pictures in it."""
    for index, size in enumerate([(48, 64), (96, 128)]):
        make_video(tmp_path / f"{index}.mkv", 4, rate=8, size=size, codec="libvpx")
    with av.open(str(tmp_path / "both.mkv"), "w") as out:
        copied = None
        for index in range(2):
            with av.open(str(tmp_path / f"{index}.mkv")) as container:
                stream = container.streams.video[0]
                copied = copied or out.add_stream_from_template(stream)
                for packet in container.demux(stream):
                    if packet.size:
                        packet.pts, packet.dts, packet.stream = packet.pts + 500 * index, None, copied
                        packet.dts = packet.pts
                        out.mux(packet)
    with pytest.warns(VeditWarning, match="change their size, as frame 4 does .128x96, before 64x48"):
        clip = read_clip(tmp_path / "both.mkv")
    assert clip.size == (48, 64)
    assert seen(clip) == [0, 1, 2, 3, 0, 1, 2, 3]


def test_the_size_that_the_pictures_say_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vedit.clip import video_track

    path = make_video(tmp_path / "a.mp4", 4, size=(96, 128))
    monkeypatch.setattr(video_track, "MAX_PIXELS", 96 * 128 - 1)
    with pytest.raises(MediaError, match="pictures of 128x96 are too large to decode safely"):
        read_clip(path)


@pytest.mark.parametrize("full", [True, False])
def test_the_range_of_brightness_is_kept_to(tmp_path: Path, full: bool) -> None:
    """Black, a third and white, as the file says that it writes them: 0 to 255, or 16 to 235."""
    levels = [0, 85, 255] if full else [16, 89, 235]
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=5)
        stream.height, stream.width, stream.pix_fmt = 16, 48, "yuv444p"
        stream.codec_context.color_range = 2 if full else 1
        planes = np.full((3, 16, 48), 128, np.uint8)
        planes[0] = np.repeat(levels, 16)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv444p")
        frame.color_range, frame.pts = 2 if full else 1, 0
        out.mux([*stream.encode(frame), *stream.encode(None)])
    shown = read_clip(path).frames[0, :, 8, [8, 24, 40]]
    assert shown.mean(0).tolist() == pytest.approx([0, 1 / 3, 1], abs=0.005)


def test_interlaced_frames_are_told(tmp_path: Path) -> None:
    path = tmp_path / "i.mkv"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=5, options={"x264-params": "interlaced=1"})
        stream.height, stream.width, stream.pix_fmt = 64, 64, "yuv420p"
        for index in range(4):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 100, np.uint8))
            frame.pts = index
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    with pytest.warns(VeditWarning, match="interlaced"):
        assert len(read_clip(path)) == 4


def test_a_clip_of_one_frame(tmp_path: Path) -> None:
    Clip(picture_clip(1).frames, Fraction(8)).save(tmp_path / "a.mp4")
    assert len(read_clip(tmp_path / "a.mp4")) == 1
