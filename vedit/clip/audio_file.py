"""Sound files, and the sound of videos, read whole."""

from __future__ import annotations

import warnings
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from vedit.clip.audio import (
    DEMUXERS,
    Audio,
    AudioOrigin,
    as_audio,
    check_length,
    claimed_end,
    copy_piece,
    has_decoder,
    pieces,
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
    samples = np.zeros((0, 0), np.float32)
    length = rate = 0
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
        for piece in pieces(container, stream, origin, complaints):
            rate, length = piece.rate, max(length, piece.end)
            check_length(file, Fraction(length, rate), rate, len(piece.samples))
            samples = _with_room(samples, len(piece.samples), length, round((claimed or 0) * rate))
            copy_piece(piece, samples)
    if length <= 0:
        raise MediaError(
            f"{file} holds no sound that can be decoded: it is damaged, cut short or no sound; {_EXPECTED}"
        )
    if claimed is not None and Fraction(length, rate) < claimed - Fraction(1, 10):
        complaints.append(f"it claims {float(claimed):.2f} s of sound but holds {length / rate:.2f}; it is cut short")
    elif lacks_end(file):
        complaints.append("its end is missing; it is cut short")
    if complaints:
        _complain(f"{file}: {complaints[-1]}", allow_partial)
    return as_audio(file, samples[:, :length], rate)


def _with_room(samples: NDArray[np.float32], channels: int, length: int, expected: int) -> NDArray[np.float32]:
    """Samples (C, L) with room for `length`: at first for as many as are expected, then for a quarter more."""
    if length <= samples.shape[1]:
        return samples
    room = max(length, expected) if not samples.size else length + length // 4
    grown = np.zeros((channels, room), np.float32)
    if samples.size:
        grown[:, : samples.shape[1]] = samples
    return grown


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
