"""The sound of a clip written beside its pictures: its packets copied where possible, else encoded."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import torch
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet

from vedit.clip.audio import Audio, AudioOrigin
from vedit.clip.audio_stream import DEMUXERS
from vedit.clip.video_track import opened
from vedit.errors import MediaError

LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
"""FFmpeg's names for the usual arrangement of that many channels."""

COPIED: dict[str, frozenset[str]] = {
    ".mp4": frozenset({"aac", "mp3", "ac3", "eac3", "alac"}),
    ".m4v": frozenset({"aac", "mp3", "ac3", "eac3", "alac"}),
    ".mov": frozenset({"aac", "mp3", "ac3", "eac3", "alac", "pcm_s16le", "pcm_s24le"}),
    ".mkv": frozenset({"aac", "mp3", "ac3", "eac3", "alac", "opus", "vorbis", "flac", "pcm_s16le", "pcm_s24le"}),
    ".webm": frozenset({"opus", "vorbis"}),
}
"""Sound codecs that each container carries as they are."""


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
