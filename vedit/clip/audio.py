"""The sound of a clip: decoded in step with its frames; written by copying its packets where possible, else encoded."""

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
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from numpy.typing import NDArray
from torch import Tensor

from vedit.clip.arrays import kind_of
from vedit.clip.video_track import LONGEST_PAUSE, opened
from vedit.errors import MediaError, VeditWarning

LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
"""FFmpeg's names for the usual arrangement of that many channels."""

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

COPIED: dict[str, frozenset[str]] = {
    ".mp4": frozenset({"aac", "mp3", "ac3", "eac3", "alac"}),
    ".m4v": frozenset({"aac", "mp3", "ac3", "eac3", "alac"}),
    ".mov": frozenset({"aac", "mp3", "ac3", "eac3", "alac", "pcm_s16le", "pcm_s24le"}),
    ".mkv": frozenset({"aac", "mp3", "ac3", "eac3", "alac", "opus", "vorbis", "flac", "pcm_s16le", "pcm_s24le"}),
    ".webm": frozenset({"opus", "vorbis"}),
}
"""Sound codecs that each container carries as they are."""


@dataclass(frozen=True, eq=False)
class Audio:
    """Sound: `samples` (C, L) float32 in [-1, 1] at `rate` Hz; sample 0 sounds when frame 0 is shown."""

    samples: Tensor
    rate: int

    def __post_init__(self) -> None:
        if not isinstance(self.samples, Tensor):
            raise TypeError(f"a sound's samples are a tensor (C, L), not {kind_of(self.samples)}")
        if self.samples.ndim != 2 or self.samples.shape[0] < 1 or self.rate < 1:
            raise ValueError(f"audio needs samples (C, L) and a rate, not {tuple(self.samples.shape)} at {self.rate}")

    def __repr__(self) -> str:
        channels = {1: "mono", 2: "stereo"}.get(self.samples.shape[0], f"{self.samples.shape[0]} channels")
        return f"Audio({self.duration:.2f} s, {self.rate} Hz, {channels})"

    @property
    def duration(self) -> float:
        """Seconds."""
        return float(self.samples.shape[1] / self.rate)


@dataclass(frozen=True)
class AudioOrigin:
    """Where a clip's sound came from: `path`, from `start` (seconds on that file's own clock) for `duration` s."""

    path: Path
    start: Fraction
    duration: Fraction


def decode_sound(path: Path, start: Fraction, duration: Fraction) -> tuple[Audio | None, str | None]:
    """The sound of a file from `start` (seconds on its clock) for `duration`, padded with silence to that length.

    Returns None where the file has no sound, and beside it a complaint where the sound is damaged or breaks off. Sound
    that nothing here decodes is left out, with a VeditWarning.
    """
    samples: NDArray[np.float32] | None = None
    rate, cursor, complaints = 0, 0, list[str]()
    with opened(path) as container:
        if not container.streams.audio:
            return None, None
        stream = container.streams.audio[0]
        if not has_decoder(stream):
            told = f"{path}: its sound is of a kind that is not read; it is left out"
            warnings.warn(told, VeditWarning, stacklevel=3)
            return None, None
        claimed = claimed_end(stream) if container.format.name != "matroska,webm" else None
        for piece in pieces(container, stream, start, complaints):
            if samples is None:
                rate = piece.rate
                check_length(path, duration, rate, len(piece.samples))
                samples = np.zeros((len(piece.samples), round(duration * rate)), np.float32)
            copy_piece(piece, samples)
            cursor = piece.end
            if cursor >= samples.shape[1]:
                break
    complaint = f"{path}: {complaints[-1]}" if complaints else None
    if samples is None:
        return None, complaint
    expected = None if claimed is None else min(duration, claimed - start)
    if expected is not None and cursor < (expected - Fraction(1, 10)) * rate:
        complaint = f"{path}: the sound breaks off {float(expected - Fraction(cursor, rate)):.2f} s early"
    return as_audio(path, samples, rate), complaint


def has_decoder(stream: Any) -> bool:
    """Whether anything here decodes a stream (PyAV's stubs take that for granted)."""
    return stream.codec_context is not None


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


@dataclass(frozen=True, eq=False)
class Piece:
    """What one packet holds: `samples` (C, n) float32 at `rate` Hz, the first of them being sample number `at`."""

    samples: NDArray[np.float32]
    rate: int
    at: int

    @property
    def end(self) -> int:
        """The number of the sample that comes next."""
        return self.at + self.samples.shape[1]


def pieces(container: InputContainer, stream: AudioStream, origin: Fraction, complaints: list[str]) -> Iterator[Piece]:
    """A stream decoded, its samples counted from `origin` (seconds on the file's clock).

    What is amiss is added to `complaints`: damaged packets, pieces of another rate or number of channels than the
    first, which are left out, and time stamps that jump further than a pause can last, which are passed over. The
    links of a chained Ogg file, each of which counts its time from the beginning, follow each other.
    """
    last: Piece | None = None
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
            last = Piece(samples, rate, at)
            yield last


def _seconds(frame: AudioFrame) -> Fraction | None:
    return None if frame.pts is None or frame.time_base is None else frame.pts * frame.time_base


def claimed_end(stream: AudioStream) -> Fraction | None:
    """Seconds on the file's clock. Not for Matroska: it states one length for the whole file, not for each stream."""
    if stream.duration is None or stream.time_base is None:
        return None
    return ((stream.start_time or 0) + stream.duration) * stream.time_base


def copy_piece(piece: Piece, samples: NDArray[np.float32]) -> None:
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


class SoundWriter:
    """Puts a clip's sound into an output container beside its pictures, a little at a time as the pictures advance.

    Copying keeps the packets that lie in the range, and in mp4 and mov those needed before it, which players skip.
    Where nothing can be copied, the samples are encoded: Opus for webm, else AAC.
    """

    def __init__(
        self, out: OutputContainer, suffix: str, audio: Audio, source: AudioOrigin | None, frames: int, rate: Fraction
    ) -> None:
        self._out = out
        duration = frames / rate
        copied = None if source is None else _copied(out, suffix, source, min(duration, source.duration), rate)
        self._packets = copied if copied is not None else _encoded(out, suffix, audio, duration)

    def advance(self, seconds: Fraction | None) -> None:
        """Hand over all packets that begin before `seconds`; None for all that are left."""
        while self._packets and (seconds is None or _begin(self._packets[0]) < seconds):
            self._out.mux(self._packets.pop(0))


def _begin(packet: Packet[Any]) -> Fraction:
    return Fraction(packet.pts if packet.pts is not None else packet.dts or 0) * packet.time_base


def _copied(
    out: OutputContainer, suffix: str, source: AudioOrigin, duration: Fraction, rate: Fraction
) -> list[Packet[Any]] | None:
    """The source's own packets, moved to t = 0, for a stream added to `out`; None where they cannot be copied, or
    cannot be cut to within a frame of `duration`, at `rate` frames per second."""
    # Where there are edit lists, also the packet that overlaps the beginning and the one before, which primes the
    # decoder: the sound is then exact from its first sample.
    ahead = 2 if suffix in (".mp4", ".m4v", ".mov") else 0
    try:
        with opened(source.path, "sound", DEMUXERS) as container:
            if not container.streams.audio:
                return None
            stream = container.streams.audio[0]
            codec = stream.codec_context.codec.canonical_name  # a decoder may be called otherwise
            if codec not in COPIED[suffix]:
                return None
            if codec == "mp3" and stream.rate < SLOWEST_MP3 and suffix in (".mp4", ".m4v", ".mov"):
                return None
            packets: list[Packet[Any]] = []
            before: Fraction | None = None
            end, cut = Fraction(0), False
            for packet in container.demux(stream):
                if packet.pts is None or not packet.size:
                    continue
                begin = _begin(packet) - source.start
                if before is not None and begin < before:  # a chained file, which counts anew
                    return None
                before = begin
                length = (packet.duration or 0) * packet.time_base
                if begin + length / 2 >= duration:
                    cut = True
                    break
                if begin >= 0 or begin + ahead * length > 0:
                    shift = round(source.start / packet.time_base)
                    packet.pts -= shift
                    packet.dts = packet.pts
                    packets.append(packet)
                    end = begin + length
            # Packets can be longer than frames, and are copied whole; a sound may end before the clip.
            if end - duration > 1 / rate or (cut and duration - end > 1 / rate):
                return None
            target = out.add_stream_from_template(stream)
            for packet in packets:
                packet.stream = target
            return packets
    except (MediaError, av.FFmpegError, OSError):
        return None


def _encoded(out: OutputContainer, suffix: str, audio: Audio, duration: Fraction) -> list[Packet[Any]]:
    samples = audio.samples[:, : round(duration * audio.rate)].detach().to("cpu", torch.float32).clamp(-1.0, 1.0)
    if not samples.shape[1]:
        return []
    if samples.shape[0] not in LAYOUTS:
        samples = samples.mean(0, keepdim=True)
    layout = LAYOUTS[samples.shape[0]]
    codec, rates = ("libopus", OPUS_RATES) if suffix == ".webm" else ("aac", AAC_RATES)
    rate = min((r for r in rates if r >= audio.rate), default=max(rates))
    stream = out.add_stream(codec, rate=rate, layout=layout)
    assert isinstance(stream, AudioStream)
    stream.bit_rate = 96_000 * samples.shape[0]
    stream.codec_context.flags |= av.codec.context.Flags.bitexact
    # Interleaved: of planes PyAV hands on eight at most, and fails at the eighth.
    frame = AudioFrame.from_ndarray(samples.T.reshape(1, -1).numpy(), format="flt", layout=layout)
    frame.sample_rate, frame.pts, frame.time_base = audio.rate, 0, Fraction(1, audio.rate)
    return [*stream.encode(frame), *stream.encode(None)]


SLOWEST_MP3 = 16000
"""Hz below which MP4 does not carry MP3."""

AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
OPUS_RATES = (8000, 12000, 16000, 24000, 48000)
"""Hz that each encoder takes; other rates are brought to the next one above."""
