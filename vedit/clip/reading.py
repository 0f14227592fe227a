"""Reading files and folders as clips: only the frames that are wanted, checked against what the file claims to hold."""

from __future__ import annotations

import functools
import itertools
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from numbers import Integral
from pathlib import Path

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from torch import Tensor

from vedit.clip import webp
from vedit.clip.arrays import check_kind
from vedit.clip.audio import Audio, AudioOrigin
from vedit.clip.audio_file import decode_sound
from vedit.clip.frame_conversion import FrameConverter, as_frame
from vedit.clip.images import PICTURES, list_pictures, picture_facts, read_picture
from vedit.clip.lazy import LazyClip
from vedit.clip.model import Clip
from vedit.clip.sizes import Size, fit_size, resize
from vedit.clip.video_track import (
    MOST_FRAMES,
    SUFFIXES,
    Identity,
    Track,
    existing,
    identity,
    opened,
    scan,
    video_stream,
)
from vedit.errors import MediaError, VeditWarning
from vedit.machine.disk import free_disk
from vedit.machine.memory import free_memory
from vedit.mapped import lies_in_file, scratch_folder, stacked

Picture = Callable[[], Tensor]
"""A decoded frame that becomes (3, H, W) in [0, 1] when it is asked for."""


@dataclass(frozen=True)
class ClipInfo:
    """What can be told of a clip without decoding it.

    Attributes:
        size: (H, W) as shown, rotation applied
        rate: frames per second, exact
        frames: how many `read_clip` would give
        duration: seconds
        has_sound: whether there is a sound to read
        variable: the file's own rate varies; `read_clip` makes it constant
        complaint: what is amiss with the file (cut short ...), or None
    """

    size: Size
    rate: Fraction
    frames: int
    duration: float
    has_sound: bool
    variable: bool
    complaint: str | None = None


def probe(path: str | Path) -> ClipInfo:
    """Facts about a video file or a folder of pictures, at the cost of reading it through and decoding one frame, once
    for as long as it stays as it is.

    Raises:
        MediaError: as `read_clip` does, where nothing can be read at all
    """
    file = _existing(path)
    if file.is_dir():
        pictures = list_pictures(file, "a video file or a folder of pictures")
        size, rate = picture_facts(pictures[0])
        return ClipInfo(size, rate, len(pictures), float(len(pictures) / rate), False, False)
    track, size = scan(file), _first(file, identity(file)).size
    duration = float(track.shown / track.rate)
    return ClipInfo(size, track.rate, track.shown, duration, track.sound, track.variable, track.complaint)


@dataclass(frozen=True)
class _First:
    """What the first frame of a file tells of all: their size (H, W) as shown, and whether they are interlaced."""

    size: Size
    interlaced: bool


@functools.lru_cache(maxsize=8)
def _first(path: Path, _: Identity) -> _First:
    if path.suffix.lower() == ".webp":
        return _First(webp.look(path).size, False)
    with opened(path) as container:
        frame = next(_decoded(container, video_stream(container, path)), None)
        if frame is None:
            raise MediaError(f"{path} has no frame that can be decoded; it is damaged")
        height, width = _developed(path, FrameConverter(), frame).shape[1:]
        return _First((height, width), bool(frame.interlaced_frame))


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
    """Read a video file (mp4, m4v, mov, mkv, webm, avi, gif, animated webp) or a folder of pictures (in natural order).

    Rotation is applied, transparent parts lie on black, interlaced frames stay as they are. Files of variable rate are
    brought to a constant one: each frame shows what was to be seen at its time, so sound stays in step; `start` and
    `frames` then count these. A folder has the rate its PNGs carry, else 8 frames per second.

    Args:
        path: the file or the folder
        frames: how many to keep; None for all
        start: source frames to leave out at the beginning
        stride: keep each stride-th; the clip's rate becomes the file's rate / stride, so it lasts as long as before
        size: the longer side in pixels with the aspect kept, or (height, width); None for the file's own
        allow_partial: where the file is cut short or damaged, warn (VeditWarning) and go on with what can be decoded;
            a frame that cannot be is replaced by the one before it
        sound: read the sound too

    Raises:
        MediaError: for everything that cannot be read as asked
    """
    reader = FrameReader.open(path, frames=frames, start=start, stride=stride, allow_partial=allow_partial)
    pictures = _gathered(reader.read(size=size, together=len(reader)), len(reader))
    return Clip(pictures, reader.rate, *(_sound(reader, start) if sound else ()))


def open_clip(
    path: str | Path,
    *,
    frames: int | None = None,
    start: int = 0,
    stride: int = 1,
    size: int | Size | None = None,
    allow_partial: bool = False,
) -> LazyClip:
    """The clip that `read_clip` reads, whose arguments these are, with each frame decoded when it is asked for.

    Raises MediaError, and warns, as it does; where frames cannot be decoded, once they were read to the end.
    """
    reader = FrameReader.open(path, frames=frames, start=start, stride=stride, allow_partial=allow_partial)
    height, width = next(reader.read([0])).shape[1:]
    inside = fit_size((height, width), size, multiple=1)
    told = False

    def make(indices: Sequence[int]) -> Iterator[Tensor]:
        nonlocal told
        yield from reader.read(indices, size=inside, again=told)
        told = True

    return LazyClip(make, len(reader), inside, reader.rate, *_sound(reader, start))


def _sound(reader: FrameReader, start: int) -> tuple[Audio | None, AudioOrigin | None]:
    """What is heard with the frames that are read, which begin with the source frame ``start``, and where it lies."""
    track = reader.track
    if track is None or not track.sound:
        return None, None
    begin, duration = track.times[0] + start / track.rate, len(reader) / reader.rate
    audio, complaint = decode_sound(reader.path, begin, duration)
    if complaint is not None:
        _complain(complaint, reader.partial)
    return audio, None if audio is None else AudioOrigin(reader.path, begin, duration)


@dataclass(frozen=True)
class FrameReader:
    """The frames that were chosen of a file or a folder; they are decoded anew each time that they are read.

    path; rate: frames per second; chosen: what they are called in the file, ascending: indices of source frames or
    of pictures; track: of a file; partial: damaged frames are replaced by the one before
    """

    path: Path
    rate: Fraction
    chosen: Sequence[int]
    track: Track | None
    partial: bool

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        frames: int | None = None,
        start: int = 0,
        stride: int = 1,
        allow_partial: bool = False,
    ) -> FrameReader:
        """Choose frames as `read_clip` does, whose arguments these are. Raises MediaError, and warns, as it does."""
        for name, value, least in (("frames", frames, 1), ("start", start, 0), ("stride", stride, 1)):
            if value is None:
                continue
            check_kind(name, value, Integral, "a whole number")
            if value < least:
                raise MediaError(f"{name} is {value}; expected {least} or more")
        file = _existing(path)
        if file.is_dir():
            pictures = list_pictures(file, "a video file or a folder of pictures")
            chosen = choose_frames(file, len(pictures), None, frames, start, stride, allow_partial)
            return cls(file, picture_facts(pictures[0])[1] / stride, chosen, None, allow_partial)
        track, first = scan(file), _first(file, identity(file))
        chosen = choose_frames(file, track.shown, track.complaint, frames, start, stride, allow_partial)
        if len(chosen) > MOST_FRAMES:
            raise MediaError(f"{file}: {len(chosen):,} frames are too many; expected at most {MOST_FRAMES:,} at once")
        combs = ("its frames are interlaced, and are read as they are, so what moves has combs",) * first.interlaced
        for remark in (*track.remarks, *combs):
            warnings.warn(f"{file}: {remark}", VeditWarning, stacklevel=3)
        return cls(file, track.rate / stride, [track.source(index) for index in chosen], track, allow_partial)

    def __len__(self) -> int:
        return len(self.chosen)

    def read(
        self,
        indices: Sequence[int] | None = None,
        *,
        size: int | Size | None = None,
        together: int = 1,
        again: bool = False,
    ) -> Iterator[Tensor]:
        """The frames (3, H, W) in [0, 1] one after the other, at a `size` as in `read_clip`; few are held at once.

        indices: which of them, ascending; all by default
        together: how many of them whoever asks will hold at once
        again: they were read before, so what is amiss is told already where it is allowed
        Raises MediaError for frames that cannot be decoded, after the last one where there are others.
        """
        pictures = self._folder() if self.track is None else self._video()
        held: Picture | None = None
        own = target = None
        told = again
        following = next(pictures, None)
        wanted, got = set(range(len(self)) if indices is None else indices), 0
        for index, source in enumerate(self.chosen):
            while following is not None and (held is None or following[0] <= source):
                held, following, got = following[1], next(pictures, None), got + 1
            if held is None:
                break
            if index in wanted:
                picture = held()
                height, width = picture.shape[1:]
                if own is None or target is None:
                    own, target = (height, width), fit_size((height, width), size, multiple=1)
                    _affordable(self.path, together, target)
                elif (height, width) != own and not told:
                    told = True
                    warnings.warn(
                        f"{self.path}: its pictures change their size, as frame {source} does ({width}x{height}, "
                        f"before {own[1]}x{own[0]}); they are brought to that of the first",
                        VeditWarning,
                        stacklevel=4,
                    )
                yield resize(picture[None], target)[0]
        lost = len(set(self.chosen)) - got
        if lost and not (again and self.partial and got):
            _complain(
                f"{self.path}: {lost} of {len(set(self.chosen))} frames cannot be decoded; it is damaged",
                self.partial and bool(got),
            )

    def _video(self) -> Iterator[tuple[int, Picture]]:
        """From the nearest key frame on, unless the file is not what its key frames promise."""
        assert self.track is not None
        if self.path.suffix.lower() == ".webp":
            yield from (
                (index, functools.partial(as_frame, each)) for index, each in webp.pictures(self.path, self.chosen)
            )
            return
        first = self.track.times[self.chosen[0]]
        key = max((k for k in self.track.keys if k <= first), default=self.track.keys[0])
        if self.track.stamped and key > self.track.keys[0]:
            pictures = _decode(self.path, self.track, self.chosen, key)
            begun = next(pictures, None)
            if begun is not None and begun[0] == self.chosen[0]:
                yield begun
                yield from pictures
                return
        yield from _decode(self.path, self.track, self.chosen, None)

    def _folder(self) -> Iterator[tuple[int, Picture]]:
        pictures = list_pictures(self.path)
        own, _ = picture_facts(pictures[0])
        for index in self.chosen:
            try:
                picture = read_picture(pictures[index])
            except MediaError:
                if not self.partial:
                    raise
                continue
            if tuple(picture.shape[1:]) != own:
                height, width = picture.shape[1:]
                raise MediaError(
                    f"{pictures[index]} is {width}x{height} but {pictures[0].name} is {own[1]}x{own[0]}; "
                    "the pictures of a folder must be of one size"
                )
            yield index, functools.partial(_as_it_is, picture)


def _as_it_is(picture: Tensor) -> Tensor:
    return picture


def _existing(path: str | Path) -> Path:
    """The path as a video or a folder that can be opened, or a MediaError that says why not."""
    expected = "expected a video file or a folder of pictures"
    refusal = f"are not read (use {' '.join(SUFFIXES)})"
    file = existing(Path(path), (*SUFFIXES, *PICTURES), refusal, expected, folders=True)
    if file.suffix.lower() in PICTURES and not file.is_dir() and not webp.is_animated(file):
        raise MediaError(f"{file} is a single picture; {expected}")
    return file


def choose_frames(
    path: Path, available: int, complaint: str | None, frames: int | None, start: int, stride: int, partial: bool
) -> range:
    """The indices that `read_clip` keeps, as `probe` tells a file: a MediaError names how many there are, or what is
    amiss with it; where that is allowed (`partial`), it is a warning.
    """
    because = f" ({complaint})" if complaint else ""
    if start >= available:
        raise MediaError(f"{path} has {available} frames{because}, so start {start} is past its end")
    if stride > available:
        raise MediaError(f"{path} has {available} frames{because}, and stride {stride} would leave one; take less")
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


def _decode(path: Path, track: Track, chosen: Sequence[int], key: Fraction | None) -> Iterator[tuple[int, Picture]]:
    """Those of the source frames of indices `chosen` (ascending) that decode whole, in order, with their indices."""
    wanted = set(chosen)
    indices = {time: index for index, time in enumerate(track.times)}
    last, latest = track.times[chosen[-1]], -1
    develop = FrameConverter()
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
                index = indices.get(time, -1)
            else:
                index, time = count, track.times[min(count, len(track.times) - 1)]
            if index in wanted and index > latest and not frame.is_corrupt:
                latest = index
                yield index, functools.partial(_developed, path, develop, frame)
            if time >= last:
                break


def _developed(path: Path, develop: FrameConverter, frame: VideoFrame) -> Tensor:
    try:
        return develop(frame)
    except av.FFmpegError as fault:
        raise MediaError(
            f"{path}: a frame cannot be turned into a picture ({fault.strerror}); it is damaged"
        ) from fault


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


def _gathered(pictures: Iterator[Tensor], count: int) -> Tensor:
    """So many pictures (3, H, W) as one tensor (F, 3, H, W), which is filled as they come."""
    (frames,) = stacked(((each,) for each in itertools.islice(pictures, count)), count)
    next(pictures, None)  # what was amiss is told after the last
    return frames


def _affordable(path: Path, count: int, size: Size) -> None:
    """Refuse what fits neither into this machine's memory nor on the disk before that is filled."""
    need, free = count * 3 * size[0] * size[1] * 4, free_memory()
    on_disk = free_disk(Path(scratch_folder())) if lies_in_file(need) else 0
    if free is not None and on_disk is not None and need > max(free, on_disk):
        disk = f", and {on_disk / 2**30:.0f} of disk in {scratch_folder()}" if on_disk else ""
        raise MediaError(
            f"{path}: {count} frames of {size[1]}x{size[0]} need {need / 2**30:.0f} GiB of memory, and "
            f"{free / 2**30:.0f} are free{disk}; read fewer frames or a smaller size"
        )
