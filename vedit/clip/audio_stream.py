"""A sound stream decoded: from some moment on, its samples in one piece."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from vedit.clip.audio import Audio
from vedit.clip.video_track import LONGEST_PAUSE
from vedit.errors import MediaError, VeditWarning

JITTER = Fraction(1, 20)
"""Seconds by which a time stamp may miss the running count of samples: containers round them, sound has no gaps."""

LONGEST = 3600
"""Seconds of sound that are read; more is taken for a mistake, as it fills the memory."""

MOST_VALUES = 2**29
"""Samples times channels that are read: 2 GiB, an hour of stereo at 48 kHz and more."""

SLOWEST_SOUND, FASTEST_SOUND = 1000, 1_000_000
"""Samples per second of what can be a sound."""

DEMUXERS = "wav,mp3,flac,ogg,mov,mp4,m4a,3gp,3g2,mj2,aac,aiff,asf,ac3,matroska,webm,caf,au,w64,wv,avi"
"""FFmpeg's readers of files that may hold sound."""


def has_decoder(stream: Any) -> bool:
    """Whether anything here decodes a stream (PyAV's stubs take that for granted)."""
    return stream.codec_context is not None


def claimed_end(stream: AudioStream) -> Fraction | None:
    """Seconds on the file's clock. Not for Matroska: it states one length for the whole file, not for each stream."""
    if stream.duration is None or stream.time_base is None:
        return None
    return ((stream.start_time or 0) + stream.duration) * stream.time_base


def check_length(path: Path, seconds: Fraction | float, rate: int, channels: int) -> None:
    """Raise MediaError for too long a sound, and for one of so many samples a second that it can be none."""
    if rate and not SLOWEST_SOUND <= rate <= FASTEST_SOUND:
        raise MediaError(
            f"{path} has {rate:,} samples per second; expected {SLOWEST_SOUND:,} to {FASTEST_SOUND:,}: it is damaged, "
            "or no sound"
        )
    if seconds > LONGEST or seconds * rate * channels > MOST_VALUES:
        longest = min(LONGEST, MOST_VALUES // max(1, rate * channels))
        raise MediaError(
            f"{path} has {float(seconds):,.0f} s of sound or more, and at most {longest:,} s of such are read; cut out "
            "the part you need"
        )


def as_audio(path: Path, samples: NDArray[np.float32], rate: int) -> Audio:
    """Decoded samples (C, L) as sound within -1 to 1; those that are no number become silence, with a VeditWarning."""
    finite = np.isfinite(samples)
    if not finite.all():
        first = int(np.argmin(finite.all(0)))
        warnings.warn(
            f"{path}: {np.count_nonzero(~finite)} samples are no numbers (NaN or infinite), the first at "
            f"{first / rate:.3f} s; they are taken as silence",
            VeditWarning,
            stacklevel=3,
        )
        samples[~finite] = 0.0
    return Audio(torch.from_numpy(samples).clamp_(-1.0, 1.0), rate)


@dataclass(frozen=True, eq=False)
class Decoded:
    """What was decoded of a sound stream: `samples` (C, L) float32 at `rate` Hz, of which number `end` would come next.

    Silence fills what the stream leaves out.
    """

    samples: NDArray[np.float32]
    rate: int
    end: int

    @property
    def seconds(self) -> Fraction:
        """How far it was decoded."""
        return Fraction(self.end, self.rate)


def decode_part(
    path: Path,
    container: InputContainer,
    stream: AudioStream,
    start: Fraction,
    duration: Fraction,
    complaints: list[str],
) -> Decoded | None:
    """A stream's samples from `start` (seconds on its file's clock) for `duration`; None where it holds none.

    What is amiss is added to `complaints`. Raises MediaError for too much sound.
    """
    samples: NDArray[np.float32] | None = None
    rate = end = 0
    for piece in _pieces(container, stream, start, complaints):
        if samples is None:
            rate = piece.rate
            check_length(path, duration, rate, len(piece.samples))
            samples = np.zeros((len(piece.samples), round(duration * rate)), np.float32)
        _copy(piece, samples)
        end = piece.end
        if end >= samples.shape[1]:
            break
    return None if samples is None else Decoded(samples, rate, end)


def decode_whole(
    path: Path,
    container: InputContainer,
    stream: AudioStream,
    start: Fraction,
    expected: Fraction,
    complaints: list[str],
) -> Decoded | None:
    """All of a stream's samples from `start` (seconds on its file's clock) on; None where there are none.

    expected: seconds for which there is room at first. What is amiss is added to `complaints`. Raises MediaError as
    soon as there is too much sound, whatever the file claims.
    """
    samples = np.zeros((0, 0), np.float32)
    rate = end = 0
    for piece in _pieces(container, stream, start, complaints):
        rate, end = piece.rate, max(end, piece.end)
        check_length(path, Fraction(end, rate), rate, len(piece.samples))
        samples = _with_room(samples, len(piece.samples), end, round(expected * rate))
        _copy(piece, samples)
    return Decoded(samples[:, :end], rate, end) if end > 0 else None


@dataclass(frozen=True, eq=False)
class _Piece:
    """What one packet holds: `samples` (C, n) float32 at `rate` Hz, the first of them being sample number `at`."""

    samples: NDArray[np.float32]
    rate: int
    at: int

    @property
    def end(self) -> int:
        """The number of the sample that comes next."""
        return self.at + self.samples.shape[1]


def _pieces(
    container: InputContainer, stream: AudioStream, origin: Fraction, complaints: list[str]
) -> Iterator[_Piece]:
    """A stream decoded, its samples counted from `origin` (seconds on the file's clock).

    What is amiss is added to `complaints`: damaged packets, pieces of another rate or number of channels than the
    first, which are left out, and time stamps that jump further than a pause can last, which are passed over. The
    links of a chained Ogg file, each of which counts its time from the beginning, follow each other.
    """
    last: _Piece | None = None
    chained = container.format.name == "ogg"
    for packet in container.demux(stream):
        try:
            decoded = packet.decode()
        except av.FFmpegError:
            complaints.append("a part of the sound is damaged")
            continue
        for frame in decoded:
            try:
                samples, rate, time = _floats(frame), frame.sample_rate, _seconds(frame)
            except KeyError as fault:
                file, kind = container.name.removeprefix("file:"), frame.format.name
                raise MediaError(f"{file}: sound whose samples are {kind} is not read; save it anew as .wav") from fault
            if last is None:
                at = round((time or Fraction(0)) * rate) - round(origin * rate)
            elif (rate, len(samples)) != (last.rate, len(last.samples)):
                complaints.append("the sound changes its rate or channels on the way; the rest is left out")
                continue
            else:
                stamped = last.end if time is None else round((time - origin) * rate)
                jump = Fraction(stamped - last.end, rate)
                if abs(jump) > LONGEST_PAUSE and not chained:
                    complaints.append(f"its time stamps jump by {float(jump):,.0f} s; it is damaged")
                follows = abs(jump) <= JITTER or jump > LONGEST_PAUSE or jump < (0 if chained else -LONGEST_PAUSE)
                at = last.end if follows else stamped
            last = _Piece(samples, rate, at)
            yield last


def _seconds(frame: AudioFrame) -> Fraction | None:
    return None if frame.pts is None or frame.time_base is None else frame.pts * frame.time_base


def _with_room(samples: NDArray[np.float32], channels: int, length: int, expected: int) -> NDArray[np.float32]:
    """Samples (C, L) with room for `length`: at first for as many as are expected, then for a quarter more."""
    if length <= samples.shape[1]:
        return samples
    room = max(length, expected) if not samples.size else length + length // 4
    grown = np.zeros((channels, room), np.float32)
    if samples.size:
        grown[:, : samples.shape[1]] = samples
    return grown


def _copy(piece: _Piece, samples: NDArray[np.float32]) -> None:
    """Put a piece where it belongs in `samples` (C, L); what lies outside of them is left out."""
    first, last = max(0, piece.at), min(samples.shape[1], piece.end)
    if first < last:
        samples[:, first:last] = piece.samples[:, first - piece.at : last - piece.at]


def _floats(frame: AudioFrame) -> NDArray[np.float32]:
    """One decoded piece as (C, L) float32, whatever the sample format; KeyError for one that is unknown."""
    # Not by to_ndarray: of eight channels and more in planes PyAV finds too many planes, and reads beyond its memory.
    kind, channels = _SAMPLES[frame.format.name.removesuffix("p")], frame.layout.nb_channels
    if frame.format.is_planar:
        planes = [memoryview(plane) for plane in frame.planes[:channels]]
        values = np.stack([np.frombuffer(plane, kind)[: frame.samples] for plane in planes])
    else:
        values = np.frombuffer(memoryview(frame.planes[0]), kind)[: frame.samples * channels].reshape(-1, channels).T
    if values.dtype == np.uint8:
        return ((values.astype(np.float32) - 128.0) / 128.0).astype(np.float32)
    if values.dtype.kind == "i":
        return (values / np.float64(2 ** (8 * values.dtype.itemsize - 1))).astype(np.float32)
    return values.astype(np.float32)


_SAMPLES = {
    "u8": np.uint8, "s16": np.int16, "s32": np.int32, "s64": np.int64, "flt": np.float32, "dbl": np.float64,
}  # fmt: skip
"""FFmpeg's sample formats; those with a p at the end hold each channel in a plane of its own."""
