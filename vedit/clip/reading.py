"""Files and folders into clips: the wanted frames and no more, checked against what the file claims to hold."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import torch
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from torch import Tensor

from vedit.clip.images import PICTURES, list_pictures, picture_facts, read_picture
from vedit.clip.model import Clip
from vedit.clip.picture import Developer
from vedit.clip.sizes import Size, fit_size, resize
from vedit.clip.sound import SoundSource, decode_sound
from vedit.clip.track import SUFFIXES, Track, existing, opened, scan, video_stream
from vedit.errors import MediaError, VeditWarning


@dataclass(frozen=True)
class ClipInfo:
    """What can be told of a clip without decoding it.

    size: (H, W) as shown, rotation applied; rate: frames per second, exact; frames: how many `read_clip` would give;
    duration: seconds; has_sound; variable: the file's own rate varies (`read_clip` makes it constant);
    complaint: what is amiss with the file (cut short ...), or None.
    """

    size: Size
    rate: Fraction
    frames: int
    duration: float
    has_sound: bool
    variable: bool
    complaint: str | None = None


def probe(path: str | Path) -> ClipInfo:
    """Facts about a video file or a folder of pictures, at the cost of reading it through and decoding one frame.

    Raises MediaError as `read_clip` does where nothing can be read at all.
    """
    place = _existing(path)
    if place.is_dir():
        pictures = list_pictures(place)
        size, rate = picture_facts(pictures[0])
        return ClipInfo(size, rate, len(pictures), float(len(pictures) / rate), False, False)
    track = scan(place)
    with opened(place) as container:
        first = next(_decoded(container, video_stream(container, place)), None)
    if first is None:
        raise MediaError(f"{place} has no frame that can be decoded; it is damaged")
    height, width = Developer()(first).shape[1:]
    duration = float(track.shown / track.rate)
    return ClipInfo((height, width), track.rate, track.shown, duration, track.sound, track.variable, track.complaint)


def read_clip(
    path: str | Path,
    *,
    frames: int | None = None,
    start: int = 0,
    stride: int = 1,
    size: int | Size | None = None,
    allow_partial: bool = False,
    sound: bool = True,
) -> Clip:
    """Read a video file (mp4, m4v, mov, mkv, webm, avi, gif) or a folder of pictures (in natural order).

    frames: how many to keep; None for all
    start: source frames to leave out at the beginning
    stride: keep each stride-th; the clip's rate becomes the file's rate / stride, so it lasts as long as before
    size: the longer side in pixels with the aspect kept, or (height, width); None for the file's own
    allow_partial: where the file is cut short or damaged, warn (VeditWarning) and go on with what can be decoded;
        a frame that cannot be is replaced by the one before it
    sound: read the sound too

    Rotation is applied, transparent parts lie on black, interlaced frames stay as they are. Files of variable rate are
    brought to a constant one: each frame shows what was to be seen at its time, so sound stays in step; `start` and
    `frames` then count these. A folder has the rate its PNGs carry, else 8 frames per second.

    Raises MediaError for everything that cannot be read as asked.
    """
    for name, value, least in (("frames", frames, 1), ("start", start, 0), ("stride", stride, 1)):
        if value is not None and value < least:
            raise MediaError(f"{name} is {value}; expected {least} or more")
    place = _existing(path)
    if place.is_dir():
        return _read_folder(place, frames, start, stride, size, allow_partial)

    track = scan(place)
    if track.remark is not None:
        warnings.warn(f"{place}: {track.remark}", VeditWarning, stacklevel=2)
    chosen = choose_frames(place, track.shown, track.complaint, frames, start, stride, allow_partial)
    sources = [track.source(index) for index in chosen]
    pictures = _read_frames(place, track, sources, size, allow_partial)
    rate = track.rate / stride
    if not sound or not track.sound:
        return Clip(pictures, rate)
    begin = track.times[0] + start / track.rate
    duration = len(pictures) / rate
    audio, complaint = decode_sound(place, begin, duration)
    if complaint is not None:
        _complain(complaint, allow_partial)
    return Clip(pictures, rate, audio, None if audio is None else SoundSource(place, begin, duration))


def _existing(path: str | Path) -> Path:
    """The path as a video or a folder that can be opened, or a MediaError that says why not."""
    expected = "expected a video file or a folder of pictures"
    refusal = f"are not read (use {' '.join(SUFFIXES)})"
    place = existing(Path(path), (*SUFFIXES, *PICTURES), refusal, expected, folders=True)
    if place.suffix.lower() in PICTURES and not place.is_dir():
        raise MediaError(f"{place} is a single picture; {expected}")
    return place


def choose_frames(
    path: Path, available: int, complaint: str | None, frames: int | None, start: int, stride: int, partial: bool
) -> range:
    """The indices that `read_clip` keeps, as `probe` tells a file: a MediaError names how many there are, or what is
    amiss with it; where that is allowed (`partial`), it is a warning.
    """
    because = f" ({complaint})" if complaint else ""
    if start >= available:
        raise MediaError(f"{path} has {available} frames{because}, so start {start} is past its end")
    chosen = range(start, available, stride)
    if frames is None:
        if complaint is not None:
            _complain(complaint, partial)
        return chosen
    if frames > len(chosen):
        less = (
            f"{path} has {available} frames: {len(chosen)} from {start} on by steps of {stride}, not {frames}{because}"
        )
        if complaint is None or not partial:
            raise MediaError(f"{less}; ask for fewer, or for all")
        _complain(less, partial)
    return chosen[:frames]


def _complain(complaint: str, partial: bool) -> None:
    if not partial:
        raise MediaError(f"{complaint}; get a whole copy, or go on with what there is by --allow-partial")
    warnings.warn(f"{complaint}; going on with what can be decoded", VeditWarning, stacklevel=4)


def _read_frames(path: Path, track: Track, sources: list[int], size: int | Size | None, partial: bool) -> Tensor:
    """The source frames numbered `sources` (ascending), decoded from the nearest key frame on: (F, 3, H, W)."""
    key = max((k for k in track.keys if k <= track.times[sources[0]]), default=track.keys[0])
    seek = track.stamped and key > track.keys[0]
    got = _decode(path, track, sources, size, key if seek else None)
    if seek and len(got) < len(set(sources)):
        got = _decode(path, track, sources, size, None)  # the file is not what its key frames promise
    return _filled(path, sources, got, partial)


def _decode(
    path: Path, track: Track, sources: list[int], size: int | Size | None, key: Fraction | None
) -> dict[int, Tensor]:
    """Those of `sources` that decode whole, by number."""
    wanted = set(sources)
    numbers = {time: number for number, time in enumerate(track.times)}
    last = track.times[sources[-1]]
    develop = Developer()
    got: dict[int, Tensor] = {}
    with opened(path) as container:
        stream = video_stream(container, path)
        stream.thread_type = "AUTO"
        if key is not None:
            assert stream.time_base is not None
            container.seek(round(key / stream.time_base), stream=stream)
        for count, frame in enumerate(_decoded(container, stream)):
            if track.stamped:
                if frame.pts is None or frame.time_base is None:
                    continue
                time = frame.pts * frame.time_base
                number = numbers.get(time, -1)
            else:
                number, time = count, track.times[min(count, len(track.times) - 1)]
            if number in wanted and number not in got and not frame.is_corrupt:
                picture = develop(frame)
                if not got:
                    target = fit_size((picture.shape[1], picture.shape[2]), size, multiple=1)
                    _affordable(path, len(sources), target)
                got[number] = resize(picture[None], target)[0]
            if time >= last:
                break
    return got


def _decoded(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """The frames of a stream in order of showing; packets that cannot be decoded are passed over."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError:
            packet = None
        try:
            if packet is None:
                yield from stream.decode(None)
                return
            yield from packet.decode()
        except (av.FFmpegError, EOFError):
            if packet is None:
                return


def _filled(path: Path, sources: list[int], got: dict[int, Tensor], partial: bool) -> Tensor:
    """The frames in order, missing ones held from before; MediaError where some are missing and may not be."""
    lost = len(set(sources) - got.keys())
    if lost:
        _complain(
            f"{path}: {lost} of {len(set(sources))} frames cannot be decoded; it is damaged", partial and bool(got)
        )
    held = got[min(got)]
    frames = torch.empty((len(sources), *held.shape), dtype=torch.float32)
    for index, number in enumerate(sources):
        held = got.pop(number, held)  # popped, so that the clip is not held twice
        frames[index] = held
    return frames


def _affordable(path: Path, count: int, size: Size) -> None:
    """Refuse what cannot fit into this machine's memory before it is filled."""
    need = count * 3 * size[0] * size[1] * 4
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return
    if need > memory:
        raise MediaError(
            f"{path}: {count} frames of {size[1]}x{size[0]} need {need / 2**30:.0f} GiB of memory, and there are "
            f"{memory / 2**30:.0f}; read fewer frames or a smaller size"
        )


def _read_folder(
    folder: Path, frames: int | None, start: int, stride: int, size: int | Size | None, partial: bool
) -> Clip:
    pictures = list_pictures(folder)
    chosen = choose_frames(folder, len(pictures), None, frames, start, stride, partial)
    own, rate = picture_facts(pictures[0])
    target = fit_size(own, size, multiple=1)
    _affordable(folder, len(chosen), target)
    got: dict[int, Tensor] = {}
    for index in chosen:
        try:
            picture = read_picture(pictures[index])
        except MediaError:
            if not partial:
                raise
            continue
        if tuple(picture.shape[1:]) != own:
            height, width = picture.shape[1:]
            raise MediaError(
                f"{pictures[index]} is {width}x{height} but {pictures[0].name} is {own[1]}x{own[0]}; "
                "the pictures of a folder must be of one size"
            )
        got[index] = resize(picture[None], target)[0]
    return Clip(_filled(folder, list(chosen), got, partial), rate / stride)
