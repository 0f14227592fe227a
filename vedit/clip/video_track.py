"""The frames of a video file and their times, read from its packets before anything is decoded."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate, pairwise
from math import ceil
from pathlib import Path
from statistics import median_low
from typing import Any

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.stream import VideoStream

from vedit.clip import gif, webp
from vedit.clip.sizes import FASTEST, MAX_PIXELS, SLOWEST
from vedit.clip.truncation import lacks_end
from vedit.errors import MediaError

SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".gif", ".webp")
"""Files that are read as video."""

_DEMUXERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif"
# FFmpeg guesses a format from the content. Without these lists a text file named .mp4 could be taken for a
# playlist and make it open other files, or the network.
_PROTOCOLS = "file"
_EXPECTED = f"expected one of {' '.join(SUFFIXES)}"

_HDR = (16, 18)  # FFmpeg's numbers of these transfer curves

MOST_FRAMES = 1_000_000
"""Frames of a file that is read: nine hours at 30 per second."""

LONGEST_PAUSE = 600
"""Seconds from one frame, or piece of sound, to the next; a longer pause is taken for a damaged time stamp."""

PATIENCE = 10.0
"""Seconds after which the search for the next frame is given up: a file may be many gigabytes of nothing."""

_ROUNDING = Fraction(1, 4)
"""Of a frame's time, by which a time stamp may miss an even grid: containers round them."""

_LARGEST_GIF = 2**27
"""Bytes of a GIF that is read."""


def existing(path: Path, suffixes: Iterable[str], refusal: str, expected: str, *, folders: bool = False) -> Path:
    """The path as a plain file, not empty, that ends with one of the ``suffixes``, or where they will do as one of the
    ``folders``; or a MediaError that says why not."""
    try:
        if path.is_dir():
            if folders:
                return path
            raise MediaError(f"{path} is a folder; {expected}")
        if not path.exists():
            raise MediaError(f"{path} does not exist; {expected}")
        suffix = path.suffix.lower()
        if suffix not in suffixes:
            raise MediaError(f"{path}: files named {suffix or 'without suffix'} {refusal}; {expected}")
        if not path.is_file():
            raise MediaError(f"{path} is not a plain file; {expected}")
        with path.open("rb") as file:
            if not file.read(1):
                raise MediaError(f"{path} is empty (0 bytes); {expected}")
    except (OSError, ValueError) as fault:
        raise MediaError(f"{path} cannot be opened: {getattr(fault, 'strerror', None) or fault}") from fault
    return path


@contextmanager
def opened(
    path: Path, what: str = "video", demuxers: str = _DEMUXERS, expected: str = _EXPECTED
) -> Iterator[InputContainer]:
    """The container open for reading; FFmpeg's errors while it is open become MediaError."""
    options = {"format_whitelist": demuxers, "protocol_whitelist": _PROTOCOLS}
    try:
        # "file:" keeps a colon in a name from being read as a protocol; foreign metadata may be in any encoding.
        name = f"file:{path}"
        with av.open(name, "r", options=options, metadata_errors="replace", timeout=PATIENCE) as container:
            yield container
    except av.error.ExitError as fault:
        raise MediaError(f"{path} takes too long to be read: it is damaged or no {what}; {expected}") from fault
    except av.FFmpegError as fault:
        raise MediaError(
            f"{path} cannot be read as {what} ({fault.strerror}): it is damaged, cut short or no {what}; {expected}"
        ) from fault


def video_stream(container: InputContainer, path: Path) -> VideoStream:
    """The first stream of moving pictures (cover art is none); raises MediaError without one."""
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic and stream.codec_context is not None:
            if stream.width * stream.height > MAX_PIXELS:
                raise MediaError(
                    f"{path}: pictures of {stream.width}x{stream.height} are too large to decode safely; make them "
                    f"smaller, {MAX_PIXELS:,} pixels at most"
                )
            # What the pictures themselves say of their size counts, and they may say otherwise than the container.
            stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
            return stream
    if not container.streams.video and not container.streams.audio:
        raise MediaError(f"{path} cannot be read as video: nothing is found in it; it is damaged or cut short")
    raise MediaError(f"{path} has no pictures{' (only sound)' if container.streams.audio else ''}; expected a video")


@dataclass(frozen=True)
class Track:
    """The pictures of a file: when they are shown and at which constant rate they are read.

    times: the moment of each source frame, ascending, in seconds on the file's own clock
    keys: of these and of frames before them that are not shown, the moments at which decoding can begin
    end: seconds, when the last frame ends
    rate: frames per second; for files of variable rate that to which they are brought, the commonest in them
    variable: the frames do not lie on an even grid
    stamped: decoded frames carry these times; otherwise they come in this order, and the times are only counted
    sound: there is a sound stream
    complaint: what is amiss as far as the packets tell, or None
    remarks: what the user may want to know of a healthy file
    """

    times: tuple[Fraction, ...]
    keys: tuple[Fraction, ...]
    end: Fraction
    rate: Fraction
    variable: bool
    stamped: bool
    sound: bool
    complaint: str | None
    remarks: tuple[str, ...]

    @property
    def shown(self) -> int:
        """Frames at the constant rate."""
        return max(1, round((self.end - self.times[0]) * self.rate)) if self.variable else len(self.times)

    def source(self, index: int) -> int:
        """Which source frame is seen at frame `index` of the constant rate: the one whose interval covers it, but for
        rounding."""
        if not self.variable:
            return index
        moment = self.times[0] + (index + _ROUNDING) / self.rate
        return bisect_right(self.times, moment) - 1


def scan(path: Path) -> Track:
    """Read through a file's packets, once for as long as the file stays as it is. Raises MediaError where there is
    nothing to decode."""
    return _scan(path, identity(path))


Identity = tuple[Path, int, int, int]


def identity(path: Path) -> Identity:
    """What tells whether a file is the one that was read before. Raises MediaError where there is none."""
    try:
        state = path.stat()
    except OSError as fault:
        raise MediaError(f"{path} cannot be opened: {fault.strerror}") from fault
    return path.absolute(), state.st_ino, state.st_size, state.st_mtime_ns


@dataclass(frozen=True)
class _Shown:
    """A packet that yields a picture: its duration in ticks, and whether decoding can begin with it."""

    when: int
    duration: int
    key: bool
    hidden: bool


@dataclass(frozen=True)
class _Demuxed:
    """What a file's packets say, before anything is made of it.

    kind: of container; tick: seconds of a stamp's unit; rates: stated, of all kinds
    claimed: how many frames its header says; seen: how many packets of pictures there are
    packets: of pictures that are decoded
    length, begin, latest: seconds that the header says it lasts and begins at, and at which its last packet ends
    broken: it cannot be read on
    """

    kind: str
    tick: Fraction
    rates: list[Fraction]
    claimed: int
    seen: int
    packets: list[_Shown]
    length: Fraction | None
    begin: Fraction
    latest: Fraction
    broken: bool
    sound: bool
    remarks: list[str]

    @property
    def avi(self) -> bool:
        """Whether it is AVI, which stores no presentation times, and those made up for it can be out of order."""
        return self.kind == "avi"

    def complaint(self, path: Path, rate: Fraction) -> str | None:
        """What is lacking of it, if anything."""
        slack = max(2 / rate, Fraction(1, 20))
        if self.claimed > self.seen:
            return f"{path} claims {self.claimed} frames but holds {self.seen}: it is cut short or damaged"
        timed = ("mov" not in self.kind or self.seen > self.claimed) and self.length is not None
        if timed and self.length is not None and self.latest - self.begin < self.length - slack:
            missing = f"{float(self.length):.2f} s but ends after {float(self.latest - self.begin):.2f} s"
            return f"{path} claims {missing}: it is cut short or damaged"
        if self.broken:
            return f"{path} cannot be read on after {self.seen} frames: it is damaged"
        if lacks_end(path):
            return f"{path} lacks its end: it is cut short"
        return _damaged_gif(path) if self.kind == "gif" else None


def _demux(path: Path) -> _Demuxed:
    """Read a file through without decoding it. Raises MediaError for more frames than are read."""
    with opened(path) as container:
        stream = video_stream(container, path)
        assert stream.time_base is not None
        kind = container.format.name
        claimed = len(stream.index_entries) if "mov" in kind and len(stream.index_entries) else stream.frames
        rates = [rate for rate in (stream.guessed_rate, stream.base_rate, stream.average_rate) if rate]
        packets: list[_Shown] = []
        seen, latest, broken = 0, Fraction(0), False
        demuxed = container.demux()
        while True:
            try:
                packet = next(demuxed, None)
            except av.FFmpegError:
                broken = True
                break
            if packet is None:
                break
            stamp = packet.pts if packet.pts is not None else packet.dts
            if stamp is None or packet.is_corrupt or not packet.size:
                continue
            latest = max(latest, (stamp + (packet.duration or 0)) * packet.time_base)
            if packet.stream_index != stream.index:
                continue
            seen += 1
            if seen > MOST_FRAMES:
                raise MediaError(f"{path} has more than {MOST_FRAMES:,} frames; cut out the part you need")
            if _visible(packet, stream.codec_context.name):
                when = packet.dts if kind == "avi" and packet.dts is not None else stamp
                packets.append(_Shown(when, packet.duration or 0, packet.is_keyframe, packet.is_discard))
        length = None if container.duration is None else Fraction(container.duration, av.time_base)
        begin = Fraction(container.start_time or 0, av.time_base)
        sound, remarks = bool(container.streams.audio), _remarks(stream)
        return _Demuxed(
            kind, stream.time_base, rates, claimed, seen, packets, length, begin, latest, broken, sound, remarks
        )


@lru_cache(maxsize=8)
def _scan(path: Path, _: Identity) -> Track:
    if path.suffix.lower() == ".webp":
        return _scan_webp(path)
    _check_gif(path)
    file = _demux(path)
    # A clip cut without encoding begins within a group of pictures: those before it are hidden, but decoded.
    keys = sorted({each.when for each in file.packets if each.key})
    # Pictures shown before the first key frame refer to something cut away and cannot be decoded.
    seen = (each for each in file.packets if not each.hidden and (not keys or each.when >= keys[0]))
    shown = sorted(seen, key=_moment)
    if not shown:
        raise MediaError(f"{path} has no frames; it is empty or cut short before the first")
    rates = [rate for rate in file.rates if SLOWEST <= rate <= FASTEST]
    times = [each.when * file.tick for each in shown]
    remarks, odd = file.remarks, _odd_times(times)
    if odd is not None:
        rate, variable = _counted_rate(times, rates), False
        times = [index / rate for index in range(len(times))]
        remarks = [
            *remarks,
            f"{odd}, so its {len(times)} frames are read in their order, {float(rate):g} per second",
        ]
    else:
        rate, variable = _rate(times, rates, file.tick)
    if not SLOWEST <= rate <= FASTEST:
        raise MediaError(
            f"{path} has {float(rate):.6g} frames per second; expected {float(SLOWEST):g} to {float(FASTEST):g}: it is "
            "damaged, or no video"
        )
    last = shown[-1].duration * file.tick
    end = times[-1] + (last if 0 < last <= LONGEST_PAUSE else 1 / rate)
    track = Track(
        tuple(times),
        tuple(key * file.tick for key in keys) or (times[0],),
        end,
        rate,
        variable,
        not file.avi and odd is None,
        file.sound,
        file.complaint(path, rate),
        tuple(remarks),
    )
    return replace(track, remarks=(*remarks, _unevenness(track))) if variable else track


def _scan_webp(path: Path) -> Track:
    found = webp.look(path)
    if not found.durations:
        raise MediaError(f"{path} has no frames; it is empty or cut short before the first")
    tick = Fraction(1, 1000)
    times = [tick * moment for moment in accumulate(found.durations, initial=0)]
    mean = len(found.durations) / times[-1]
    usual = [Fraction(round(mean)), Fraction(round(mean * Fraction(1001, 1000)) * 1000, 1001)]
    stated = [mean] if len(times) == 2 else [rate for rate in usual if rate]
    rate, variable = _rate(times[:-1], stated, tick)
    if not SLOWEST <= rate <= FASTEST:
        raise MediaError(f"{path} has {float(rate):.6g} frames per second; expected {float(SLOWEST):g} or more")
    track = Track(tuple(times[:-1]), (times[0],), times[-1], rate, variable, True, False, found.complaint, ())
    return replace(track, remarks=(_unevenness(track),)) if variable else track


def _moment(shown: _Shown) -> int:
    return shown.when


def _odd_times(times: list[Fraction]) -> str | None:
    """What is wrong with the moments (ascending) of frames where they cannot be what was meant."""
    same = len(times) - len(set(times))
    if same:
        return f"{same} of its frames have the time stamp of another"
    jump = max((after - before for before, after in pairwise(times)), default=Fraction(0))
    if jump > LONGEST_PAUSE:
        return f"its time stamps jump by {float(jump):,.0f} s"
    return None


def _counted_rate(times: list[Fraction], stated: list[Fraction]) -> Fraction:
    """A rate for frames whose moments cannot be: by the commonest step between those that differ, else as stated."""
    moments = sorted(set(times))
    steps = [after - before for before, after in pairwise(moments) if after - before <= LONGEST_PAUSE]
    if steps:
        return (len(times) / (len(moments) * median_low(steps))).limit_denominator(1001)
    return next((_familiar(rate) for rate in stated if rate <= 120), Fraction(25))  # above, it is a guess by the clock


def _unevenness(track: Track) -> str:
    """How a file of variable rate is read."""
    first = [ceil((time - track.times[0]) * track.rate - _ROUNDING) for time in track.times]
    uses = [after - before for before, after in pairwise([*first, track.shown])]
    left_out, held = sum(each <= 0 for each in uses), sum(each - 1 for each in uses if each > 1)
    what = [f"repeated: {held}"] if held else []
    what += [f"left out: {left_out} of {len(track.times)}"] if left_out else []
    return (
        f"its frames come at uneven times; they are read at {float(track.rate):.6g} per second, the commonest rate"
        + (f" ({'; '.join(what)})" if what else "")
    )


def _check_gif(path: Path) -> None:
    """Raise MediaError for a GIF of a size that is not read: FFmpeg takes all of a damaged one for a single picture."""
    if path.stat().st_size > _LARGEST_GIF:
        with path.open("rb") as file:
            if file.read(4) == b"GIF8":
                raise MediaError(f"{path} has more than {_LARGEST_GIF:,} bytes; expected a smaller GIF, or a video")


def _damaged_gif(path: Path) -> str | None:
    damage = gif.damage(path.read_bytes())
    return None if damage is None else f"{path}: {damage}"


def _familiar(rate: Fraction) -> Fraction:
    """60000/1001 for 19001/317: Matroska keeps the length of a frame in whole nanoseconds, not the rate."""
    for usual in (Fraction(round(rate)), Fraction(round(rate * Fraction(1001, 1000)) * 1000, 1001)):
        if abs(usual - rate) < rate / 1_000_000:
            return usual
    return rate


def _remarks(stream: VideoStream) -> list[str]:
    remarks = []
    aspect = stream.sample_aspect_ratio
    if aspect and abs(aspect - 1) > Fraction(1, 50):
        remarks.append(f"its pixels are not square ({aspect}), and are read as they are, so shapes are stretched")
    if stream.codec_context.color_trc in _HDR:
        remarks.append("its brightness is HDR (PQ or HLG), and is read as it is, so colours look pale")
    return remarks


def _visible(packet: Packet[Any], codec: str) -> bool:
    """Whether a packet yields a picture: VP8 has invisible reference frames, told by a bit of the first byte."""
    return codec != "vp8" or bool(bytes(packet)[0] & 0x10)


def _rate(times: list[Fraction], stated: list[Fraction], tick: Fraction) -> tuple[Fraction, bool]:
    """The constant rate and whether the frames are off its grid (a quarter of a frame, or one tick, is rounding)."""
    stated = [_familiar(rate) for rate in stated]
    steps = [after - before for before, after in pairwise(times)]
    if not steps:
        return (stated[0] if stated else Fraction(25)), False
    usual = median_low(steps)
    near = [step for step in steps if abs(step - usual) <= max(tick, usual / 4)]
    measured = (len(near) / sum(near, Fraction(0))).limit_denominator(1001)
    rates = [*stated, measured] if measured else stated
    grids = [(rate, tick) for rate in rates] + [(rate, max(tick, _ROUNDING / rate)) for rate in rates]
    for rate, slack in grids:
        if all(abs(time - times[0] - index / rate) <= slack for index, time in enumerate(times)):
            return rate, False
    common = [rate for rate in stated if abs(1 / rate - usual) <= max(tick, usual / 50)]
    return (common[0] if common else measured), True
