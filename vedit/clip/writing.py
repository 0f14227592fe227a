"""Clips into files: H.264 or VP9 with sound, GIF, or a folder of PNGs."""

from __future__ import annotations

import warnings
from fractions import Fraction
from numbers import Integral
from pathlib import Path

import av
import numpy as np
from av.codec.context import Flags as CodecFlags
from av.container import OutputContainer
from av.container.core import Flags as ContainerFlags
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from av.video.stream import VideoStream
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from vedit.atomic import whole_file, whole_folder
from vedit.clip.arrays import Frames, Pictures, check_kind
from vedit.clip.audio import Audio, AudioOrigin
from vedit.clip.audio_writing import SoundWriter
from vedit.clip.frame_conversion import EXACT
from vedit.clip.images import RATE_KEY
from vedit.errors import MediaError, VeditWarning

OUTPUTS = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".gif", ".webp")
"""Files that can be written; a name without a suffix is a folder of PNGs."""

SILENT = ("", ".gif", ".webp")
"""Outputs that hold no sound."""

THREADS = 4
"""Of the encoder: a fixed number, because x264's bytes depend on it and the same clip is to give the same file."""

# x264's AVX-512 code for its macroblock tree reads past the ends of rows unless the width is a multiple of 128 pixels:
# the same pictures then give other bytes each time. Without the tree files are about a tenth larger.
# x265 would write a report to stderr.
_STEADY = {"libx264": {"x264-params": "mbtree=0"}, "libx265": {"x265-params": "log-level=none"}}

SMALLEST_X265 = 64
"""Pixels of a side. x265 writes past its memory for some sizes below, such as 46 x 30, and takes the process down."""

_BT709 = 1  # FFmpeg's number for it as primaries, transfer and matrix alike
_LIMITED = 1
_BITEXACT: int = ContainerFlags.bitexact.value  # type: ignore[assignment]  # PyAV's stub hides the enum


def write_clip(
    path: str | Path,
    frames: Frames | Pictures,
    rate: Fraction,
    audio: Audio | None,
    audio_origin: AudioOrigin | None,
    *,
    crf: int,
    codec: str,
    overwrite: bool,
) -> None:
    """See Clip.save; the pictures may also be made while they are written."""
    pictures = frames if isinstance(frames, Pictures) else Pictures.of(frames)
    suffix = Path(path).suffix.lower()
    if not suffix or str(path).endswith("/"):
        with whole_folder(path, overwrite) as folder:
            _write_folder(folder, pictures, rate)
        return
    if suffix not in OUTPUTS:
        raise MediaError(f"{path}: {suffix} cannot be written; use one of {' '.join(OUTPUTS)}, or no suffix for PNGs")
    check_kind("codec", codec, str, "a str")
    if suffix == ".gif":
        codec = "gif"
    elif suffix == ".webp":
        codec = "libwebp_anim"
    elif suffix == ".webm" and codec == "libx264":
        codec = "libvpx-vp9"
    check_kind("crf", crf, Integral, "a whole number")
    worst = 63 if codec.startswith("libvpx") else 51
    if not 0 <= crf <= worst:
        raise MediaError(f"crf is {crf}; expected 0 (best) to {worst} for {codec}")
    with whole_file(path, overwrite) as beside:
        try:
            if suffix == ".gif":
                _write_gif(beside, pictures, rate)
            elif suffix == ".webp":
                _write_webp(beside, pictures, rate, crf)
            else:
                _write_video(beside, suffix, pictures, rate, audio, audio_origin, crf, codec)
        except OSError:
            raise  # a full disk and the like, which whole_file reports
        except (av.FFmpegError, ValueError) as fault:
            raise MediaError(f"{path} could not be encoded with {codec}: {fault}") from fault


def _write_video(
    path: Path,
    suffix: str,
    frames: Pictures,
    rate: Fraction,
    audio: Audio | None,
    audio_origin: AudioOrigin | None,
    crf: int,
    codec: str,
) -> None:
    options = {"movflags": "+faststart"} if suffix in (".mp4", ".m4v", ".mov") else {}
    with av.open(f"file:{path}", "w", container_options=options) as out:
        _bitexact(out)
        stream = _add_video(out, codec, rate, frames.size, crf)
        sound = SoundWriter(out, suffix, audio, audio_origin, len(frames), rate) if audio is not None else None
        scaler = VideoReformatter()
        for index, pixels in enumerate(frames):
            frame = scaler.reformat(
                VideoFrame.from_ndarray(pixels, format="rgb24"),
                format=stream.pix_fmt,
                dst_colorspace=Colorspace.ITU709,
                src_color_range=ColorRange.JPEG,
                dst_color_range=ColorRange.MPEG,
                interpolation=EXACT,
            )
            frame.pts, frame.time_base = index, 1 / rate
            _mux(out, stream, frame, rate)
            if sound is not None:
                sound.advance(index / rate)
        _mux(out, stream, None, rate)
        if sound is not None:
            sound.advance(None)


def _bitexact(out: OutputContainer) -> None:
    """No dates, version numbers or random identifiers in the file."""
    out.flags |= _BITEXACT


def check_size(codec: str, size: tuple[int, int]) -> None:
    """Raise MediaError where an encoder cannot be trusted with pictures of ``size`` (H, W)."""
    if codec == "libx265" and min(size) < SMALLEST_X265:
        raise MediaError(
            f"libx265 does not encode pictures of {size[1]}x{size[0]}: expected sides of {SMALLEST_X265} pixels or "
            "more; use libx264"
        )


def _add_video(out: OutputContainer, codec: str, rate: Fraction, size: tuple[int, int], crf: int) -> VideoStream:
    try:
        if av.Codec(codec, "w").type != "video":
            raise MediaError(f"codec {codec!r} does not encode pictures; use libx264")
        stream = out.add_stream(codec, rate=rate, options={"crf": str(crf)} | _STEADY.get(codec, {}))
    except (av.FFmpegError, ValueError) as fault:
        raise MediaError(f"codec {codec!r} is not available here or does not fit the file; use libx264") from fault
    assert isinstance(stream, VideoStream)
    check_size(codec, size)
    height, width = size
    vp9 = codec.startswith("libvpx")
    stream.width, stream.height = width, height
    stream.pix_fmt = "yuv420p" if vp9 or (height % 2 == 0 and width % 2 == 0) else "yuv444p"
    context = stream.codec_context
    context.time_base = 1 / rate
    context.thread_count = THREADS
    context.flags |= CodecFlags.bitexact
    context.color_primaries = context.color_trc = context.colorspace = _BT709
    context.color_range = _LIMITED
    if vp9:
        context.bit_rate = 0  # otherwise crf is only a ceiling beside FFmpeg's default bit rate
    return stream


def _mux(out: OutputContainer, stream: VideoStream, frame: VideoFrame | None, rate: Fraction) -> None:
    for packet in stream.encode(frame):
        if not packet.duration:  # else the last frame would last no time
            packet.duration = round(1 / rate / packet.time_base)
        out.mux(packet)


def _write_gif(path: Path, frames: Pictures, rate: Fraction) -> None:
    """A frame of a GIF lasts a hundredth of a second or more: of a faster clip those are left out that would begin with
    the one before them, so that it lasts as long.
    """
    with av.open(f"file:{path}", "w", format="gif") as out:
        _bitexact(out)
        hundredth = Fraction(1, 100)
        stream = out.add_stream("gif", rate=rate)
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = frames.size
        stream.pix_fmt = "pal8"
        stream.codec_context.time_base = hundredth
        last, left_out = -1, 0
        for index, pixels in enumerate(frames):
            time = round(index / rate / hundredth)
            if time == last:
                left_out += 1
                continue
            last = time
            image = Image.fromarray(pixels).quantize(256, dither=Image.Dither.FLOYDSTEINBERG)
            colours = np.full((256, 4), 255, np.uint8)  # alpha first
            palette = np.asarray(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
            colours[: len(palette), 1:] = palette
            frame = VideoFrame.from_ndarray((np.asarray(image), colours), format="pal8")  # type: ignore[arg-type]
            frame.pts, frame.time_base = time, hundredth
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    if left_out:
        warnings.warn(
            f"a GIF shows 100 frames per second at most; {left_out} of {len(frames)} are left out.",
            VeditWarning,
            stacklevel=2,
        )


def _write_webp(path: Path, frames: Pictures, rate: Fraction, crf: int) -> None:
    """An animation that goes round and round. Its times are whole milliseconds; as a whole it lasts as long."""
    if rate > 1000:
        raise MediaError(f"a WebP shows 1000 frames per second at most, and the clip has {float(rate):g}; write .mp4")
    quality = np.interp(crf, (0, 18, 51), (100, 88, 10))  # at which it looks much as H.264 does
    tick = Fraction(1, 1000)
    with av.open(f"file:{path}", "w", format="webp", options={"loop": "0"}) as out:
        _bitexact(out)
        stream = out.add_stream("libwebp_anim", rate=rate, options={"quality": f"{quality:.0f}"})
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = frames.size
        stream.pix_fmt = "bgra"
        stream.codec_context.time_base = tick
        scaler = VideoReformatter()
        for index, pixels in enumerate(frames):
            frame = scaler.reformat(VideoFrame.from_ndarray(pixels, format="rgb24"), format="bgra")
            frame.pts, frame.time_base = round(index / rate / tick), tick
            frame.duration = round((index + 1) / rate / tick) - frame.pts
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    lasting = 1000 / rate
    if lasting.denominator != 1:
        warnings.warn(
            f"a WebP counts whole milliseconds: its frames last {int(lasting)} or {int(lasting) + 1} ms, for "
            f"{float(lasting):.2f}; all of it lasts as long as the clip.",
            VeditWarning,
            stacklevel=2,
        )


def _write_folder(folder: Path, frames: Pictures, rate: Fraction) -> None:
    note = PngInfo()
    note.add_text(RATE_KEY, str(rate))
    for index, pixels in enumerate(frames):
        Image.fromarray(pixels).save(folder / f"{index:05d}.png", pnginfo=note)
