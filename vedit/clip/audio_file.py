"""Sound files, and the sound of videos: a part of it, or whole."""

from __future__ import annotations

import warnings
from fractions import Fraction
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer

from vedit.clip.audio import Audio, AudioOrigin
from vedit.clip.audio_stream import (
    DEMUXERS,
    as_audio,
    check_length,
    claimed_end,
    decode_part,
    decode_whole,
    has_decoder,
)
from vedit.clip.truncation import lacks_end
from vedit.clip.video_track import SUFFIXES, existing, opened
from vedit.errors import MediaError, VeditWarning

SOUNDS = (
    ".wav", ".mp3", ".flac", ".ogg", ".oga", ".opus", ".m4a", ".m4b", ".aac", ".aif", ".aiff", ".aifc", ".wma", ".ac3",
    ".mka", ".caf", ".au", ".w64", ".wv",
)  # fmt: skip
"""Files that are read as sound, beside videos."""


def read_sound(path: str | Path, *, allow_partial: bool = False) -> Audio:
    """The first sound stream of a sound file or a video, whole: samples (C, L) float32 in [-1, 1] at the file's rate.

    Sample 0 sounds when the file begins; where its sound begins later than its pictures, there is silence first.
    Samples that are no number (NaN, infinite) become silence, with a VeditWarning.

    allow_partial: where the file is cut short or damaged, warn (VeditWarning) and go on with what can be decoded.

    Raises MediaError for everything else that cannot be read: no such file, no sound in it, more than an hour.
    """
    file = check_sound(Path(path))
    complaints: list[str] = []
    with opened(file, "sound", DEMUXERS, _EXPECTED) as container:
        if not container.streams.audio:
            raise MediaError(f"{file} has no sound{' (only pictures)' if container.streams.video else ''}; {_EXPECTED}")
        stream = container.streams.audio[0]
        if not has_decoder(stream):
            raise MediaError(f"{file} holds sound of a kind that is not read; save it anew as .wav or .flac")
        origin = Fraction(container.start_time or 0, av.time_base)
        claimed = _claimed(container, stream, origin)
        # Before all of it is decoded, and again while it is: what a file claims need not be so.
        check_length(file, claimed or 0, stream.rate, stream.channels)
        decoded = decode_whole(file, container, stream, origin, claimed or Fraction(0), complaints)
    if decoded is None:
        raise MediaError(
            f"{file} holds no sound that can be decoded: it is damaged, cut short or no sound; {_EXPECTED}"
        )
    if claimed is not None and decoded.seconds < claimed - Fraction(1, 10):
        complaints.append(
            f"it claims {float(claimed):.2f} s of sound but holds {float(decoded.seconds):.2f}; it is cut short"
        )
    elif lacks_end(file):
        complaints.append("its end is missing; it is cut short")
    if complaints:
        _complain(f"{file}: {complaints[-1]}", allow_partial)
    return as_audio(file, decoded.samples, decoded.rate)


def decode_sound(path: Path, start: Fraction, duration: Fraction) -> tuple[Audio | None, str | None]:
    """The sound of a file from `start` (seconds on its clock) for `duration`, padded with silence to that length.

    Returns None where the file has no sound, and beside it a complaint where the sound is damaged or breaks off. Sound
    that nothing here decodes is left out, with a VeditWarning.
    """
    complaints: list[str] = []
    with opened(path) as container:
        if not container.streams.audio:
            return None, None
        stream = container.streams.audio[0]
        if not has_decoder(stream):
            told = f"{path}: its sound is of a kind that is not read; it is left out"
            warnings.warn(told, VeditWarning, stacklevel=3)
            return None, None
        claimed = claimed_end(stream) if container.format.name != "matroska,webm" else None
        decoded = decode_part(path, container, stream, start, duration, complaints)
    complaint = f"{path}: {complaints[-1]}" if complaints else None
    if decoded is None:
        return None, complaint
    expected = None if claimed is None else min(duration, claimed - start)
    if expected is not None and decoded.seconds < expected - Fraction(1, 10):
        complaint = f"{path}: the sound breaks off {float(expected - decoded.seconds):.2f} s early"
    return as_audio(path, decoded.samples, decoded.rate), complaint


def part_of(path: Path, start: float, duration: Fraction) -> AudioOrigin:
    """A part of a file that ``read_sound`` has read: it counts its seconds from the file's beginning, wherever on the
    file's own clock that is."""
    with opened(path, "sound", DEMUXERS, _EXPECTED) as container:
        begin = Fraction(container.start_time or 0, av.time_base)
    return AudioOrigin(path, begin + Fraction(start).limit_denominator(48_000), duration)


_EXPECTED = "expected a sound file, such as .wav, .mp3, .flac, .ogg, .opus or .m4a, or a video with sound"


def check_sound(path: Path) -> Path:
    """The path as a sound file that can be opened, or a MediaError that says why not."""
    return existing(path, SOUNDS + SUFFIXES, "are not read as sound", _EXPECTED)


def _claimed(container: InputContainer, stream: AudioStream, origin: Fraction) -> Fraction | None:
    """Seconds of sound that the file says it holds; None where it does not say, or only guesses."""
    kind = container.format.name
    if kind == "matroska,webm":  # one length for the whole file, so only where there is nothing but sound
        alone = container.duration is not None and len(container.streams) == 1
        return Fraction(container.duration or 0, av.time_base) if alone else None
    if kind == "aac" or (kind == "mp3" and not stream.start_time):
        return None  # guessed from the bit rate; mp3s that know it also know where they begin
    end = claimed_end(stream)
    return None if end is None else end - origin


def _complain(complaint: str, allow_partial: bool) -> None:
    if not allow_partial:
        raise MediaError(f"{complaint}; repair it or save it anew")
    warnings.warn(f"{complaint}; going on with what there is", VeditWarning, stacklevel=3)
