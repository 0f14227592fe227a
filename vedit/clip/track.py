"""A video file as its packets tell it, before anything is decoded: which frames there are, when each is shown."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.stream import VideoStream

from vedit.clip.sizes import MAX_PIXELS
from vedit.errors import MediaError

SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".gif")
"""Files that are read as video."""

_DEMUXERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif"
# FFmpeg guesses a format from the content. Without these lists a text file named .mp4 could be taken for a
# playlist and make it open other files, or the network.
_PROTOCOLS = "file"
_EXPECTED = f"expected one of {' '.join(SUFFIXES)}"

_HDR = (16, 18)  # FFmpeg's numbers of these transfer curves


def existing(place: Path, suffixes: Iterable[str], refusal: str, expected: str, *, folders: bool = False) -> Path:
    """The path as a plain file, not empty, that ends with one of the ``suffixes``, or where they will do as one of the
    ``folders``; or a MediaError that says why not."""
    try:
        if place.is_dir():
            if folders:
                return place
            raise MediaError(f"{place} is a folder; {expected}")
        if not place.exists():
            raise MediaError(f"{place} does not exist; {expected}")
        suffix = place.suffix.lower()
        if suffix not in suffixes:
            raise MediaError(f"{place}: files named {suffix or 'without suffix'} {refusal}; {expected}")
        if not place.is_file():
            raise MediaError(f"{place} is not a plain file; {expected}")
        with place.open("rb") as file:
            if not file.read(1):
                raise MediaError(f"{place} is empty (0 bytes); {expected}")
    except (OSError, ValueError) as fault:
        raise MediaError(f"{place} cannot be opened: {getattr(fault, 'strerror', None) or fault}") from fault
    return place


@contextmanager
def opened(
    path: Path, what: str = "video", demuxers: str = _DEMUXERS, expected: str = _EXPECTED
) -> Iterator[InputContainer]:
    """The container open for reading; FFmpeg's errors while it is open become MediaError."""
    options = {"format_whitelist": demuxers, "protocol_whitelist": _PROTOCOLS}
    try:
        # "file:" keeps a colon in a name from being read as a protocol; foreign metadata may be in any encoding.
        with av.open(f"file:{path}", "r", options=options, metadata_errors="replace") as container:
            yield container
    except av.FFmpegError as fault:
        raise MediaError(
            f"{path} cannot be read as {what} ({fault.strerror}): it is damaged, cut short or no {what}; {expected}"
        ) from fault


def video_stream(container: InputContainer, path: Path) -> VideoStream:
    """The first stream of moving pictures (cover art is none); raises MediaError without one."""
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic and stream.codec_context is not None:
            if stream.width * stream.height > MAX_PIXELS:
                raise MediaError(f"{path}: pictures of {stream.width}x{stream.height} are too large to decode safely")
            return stream
    if not container.streams.video and not container.streams.audio:
        raise MediaError(f"{path} cannot be read as video: nothing is found in it; it is damaged or cut short")
    raise MediaError(f"{path} has no pictures{' (only sound)' if container.streams.audio else ''}; expected a video")


@dataclass(frozen=True)
class Track:
    """The pictures of a file: when they are shown and at which constant rate they are read.

    times: the moment of each source frame, ascending, in seconds on the file's own clock
    keys: of these, the moments at which decoding can begin
    end: seconds, when the last frame ends
    rate: frames per second; for files of variable rate that to which they are brought
    variable: the frames do not lie on an even grid
    stamped: decoded frames carry these times; otherwise (avi) they come in this order without
    sound: there is a sound stream
    complaint: what is amiss as far as the packets tell, or None
    remark: what the user may want to know of a healthy file, or None
    """

    times: tuple[Fraction, ...]
    keys: tuple[Fraction, ...]
    end: Fraction
    rate: Fraction
    variable: bool
    stamped: bool
    sound: bool
    complaint: str | None
    remark: str | None

    @property
    def shown(self) -> int:
        """Frames at the constant rate."""
        return max(1, round((self.end - self.times[0]) * self.rate)) if self.variable else len(self.times)

    def source(self, index: int) -> int:
        """Which source frame is seen at frame `index` of the constant rate: the one whose interval covers it."""
        if not self.variable:
            return index
        moment = self.times[0] + (index + Fraction(1, 1000)) / self.rate
        return bisect_right(self.times, moment) - 1


def scan(path: Path) -> Track:
    """Read through a file's packets. Raises MediaError where there is nothing to decode."""
    with opened(path) as container:
        stream = video_stream(container, path)
        assert stream.time_base is not None
        tick = stream.time_base
        kind = container.format.name
        stamped = kind != "avi"  # avi stores no presentation times, and those made up for it can be out of order
        claimed = len(stream.index_entries) if "mov" in kind and len(stream.index_entries) else stream.frames
        rates = [r for r in (stream.guessed_rate, stream.base_rate, stream.average_rate) if r]
        sound = bool(container.streams.audio)
        remark = _remark(stream)
        packets: dict[int, tuple[int, bool]] = {}
        seen, latest = 0, Fraction(0)
        for packet in _packets(container):
            stamp = packet.pts if packet.pts is not None else packet.dts
            if stamp is None or packet.is_corrupt or not packet.size:
                continue
            latest = max(latest, (stamp + (packet.duration or 0)) * packet.time_base)
            if packet.stream_index != stream.index:
                continue
            seen += 1
            if not packet.is_discard and _shown(packet, stream.codec_context.name):
                when = packet.dts if not stamped and packet.dts is not None else stamp
                packets[when] = (packet.duration or 0, packet.is_keyframe)
        length = None if container.duration is None else Fraction(container.duration, av.time_base)
        begin = Fraction(container.start_time or 0, av.time_base)
    if not packets:
        raise MediaError(f"{path} has no frames; it is empty or cut short before the first")

    keys = sorted(when for when, (_, key) in packets.items() if key) or [min(packets)]
    # Pictures shown before the first key frame refer to something cut away and cannot be decoded.
    moments = sorted(when for when in packets if when >= keys[0])
    times = [when * tick for when in moments]
    rate, variable = _rate(times, rates, tick)
    end = times[-1] + (packets[moments[-1]][0] * tick or 1 / rate)

    complaint = None
    if claimed > seen:
        complaint = f"{path} claims {claimed} frames but holds {seen}: it is cut short or damaged"
    elif (
        ("mov" not in kind or seen > claimed)
        and length is not None
        and latest - begin < length - max(2 / rate, Fraction(1, 20))
    ):
        missing = f"{float(length):.2f} s but ends after {float(latest - begin):.2f} s"
        complaint = f"{path} claims {missing}: it is cut short or damaged"
    elif kind == "gif" and not path.read_bytes().rstrip(b"\0").endswith(b";"):
        complaint = f"{path} has no end mark: it is cut short"
    return Track(tuple(times), tuple(k * tick for k in keys), end, rate, variable, stamped, sound, complaint, remark)


def _familiar(rate: Fraction) -> Fraction:
    """60000/1001 for 19001/317: Matroska keeps the length of a frame in whole nanoseconds, not the rate."""
    for usual in (Fraction(round(rate)), Fraction(round(rate * Fraction(1001, 1000)) * 1000, 1001)):
        if abs(usual - rate) < rate / 1_000_000:
            return usual
    return rate


def _remark(stream: VideoStream) -> str | None:
    aspect = stream.sample_aspect_ratio
    if aspect and abs(aspect - 1) > Fraction(1, 50):
        return f"its pixels are not square ({aspect}), and are read as they are, so shapes are stretched"
    if stream.codec_context.color_trc in _HDR:
        return "its brightness is HDR (PQ or HLG), and is read as it is, so colours look pale"
    return None


def _packets(container: InputContainer) -> Iterator[Packet[Any]]:
    try:
        yield from container.demux()
    except av.FFmpegError:
        return  # what is missing shows in the counts


def _shown(packet: Packet[Any], codec: str) -> bool:
    """Whether a packet yields a picture: VP8 has invisible reference frames, told by a bit of the first byte."""
    return codec != "vp8" or bool(bytes(packet)[0] & 0x10)


def _rate(times: list[Fraction], rates: list[Fraction], tick: Fraction) -> tuple[Fraction, bool]:
    """The constant rate and whether the frames are off its grid (a quarter of a frame, or one tick, is rounding)."""
    rates = [_familiar(rate) for rate in rates] or [Fraction(25)]
    grids = [(rate, tick) for rate in rates] + [(rate, max(tick, 1 / (4 * rate))) for rate in rates]
    for rate, slack in grids:
        if all(abs(time - times[0] - index / rate) <= slack for index, time in enumerate(times)):
            return rate, False
    # Some frames dropped from a regular rate: take that. Truly irregular: their mean.
    span = times[-1] - times[0]
    mean = (len(times) - 1) / span if span else rates[0]
    near = [rate for rate in rates if mean <= rate <= mean * Fraction(5, 4)]
    return (near[0] if near else mean.limit_denominator(1001)), True
