"""Features of a sound, one value for each video frame."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedit.audio.beats import Beats, find_beats
from vedit.audio.model import AudioFeatures
from vedit.audio.onsets import OnsetCurve
from vedit.audio.spectra import SILENCE, Spectra, analyse
from vedit.clip.audio import Audio
from vedit.errors import ConfigError
from vedit.timeline import CHROMA

Array = NDArray[np.floating[Any]]

LOUDNESS = 0.3
"""Perceived loudness grows with this power of the sound's power (Stevens 1957)."""

LOUD = 98.0
"""The percentile of the frames that sound which becomes 1; what is louder is cut."""

LEAST_SHARE = 0.1
"""Of the loudness of the whole: a part of the sound that is always below this share of it is not blown up to 1."""

AUDIBLE = 1e-4
"""Of the loud power (40 dB below): what is less at the end of a sound has no more beats."""

ECHO = 0.06
"""Seconds."""

LEAST_OCTAVES = 1.0
"""The range of the centroid, where the sound's own is narrower."""


def extract_features(
    audio: Audio, rate: Fraction, frames: int, *, start: float = 0.0, bpm: float | None = None
) -> AudioFeatures:
    """Extract a sound's features for `frames` video frames at `rate` per second; frame 0 begins at its second `start`.

    Before the sound (a negative `start` lets it set in later) and after it there is silence. The whole sound is always
    listened to, and levels are relative to the whole, so neither more frames nor a quieter master change the result.
    `bpm` overrules the tempo that would be found.

    Raises ConfigError for a rate, a number of frames, a start or a bpm that cannot be, MediaError for samples that are
    no numbers.
    """
    if rate <= 0:
        raise ConfigError(f"the rate is {rate} frames per second; expected more than 0")
    if frames < 1:
        raise ConfigError(f"{frames} frames are to hear the sound; expected 1 or more")
    if not math.isfinite(start) or start >= max(audio.duration, 1e-9):
        raise ConfigError(f"start is {start:g} s, and the sound ends at {audio.duration:g} s; start before its end")
    spectra = analyse(audio)
    found = find_beats(OnsetCurve(spectra.onset_strength, spectra.first, spectra.hop_seconds, _audible(spectra)), bpm)
    # All frames that the sound touches, of which those asked for are kept at the end.
    first = min(0, math.floor(-start * rate))
    last = max(frames, math.ceil((audio.duration - start) * rate))
    edges = start + np.arange(first, last + 1) * rate.denominator / rate.numerator
    kept = slice(-first, -first + frames)
    features = {name: curve[kept] for name, curve in _levels(spectra, edges).items()}
    features["centroid"] = _centroid(spectra, edges)[kept]
    features |= _onsets_and_beats(found, edges[kept.start : kept.stop + 1], audio.duration)
    features |= zip(CHROMA, _chroma(spectra, edges)[kept].T, strict=True)
    return AudioFeatures(
        rate,
        {name: curve.astype(np.float32) for name, curve in features.items()},
        np.asarray(found.beats) - start,
        np.asarray(found.onsets) - start,
        found.tempo,
        found.note,
    )


def _audible(spectra: Spectra) -> float:
    """The second at which a sound ends, without the silence that follows, but with the last sound's echo."""
    power = spectra.powers["loudness"]
    loud = np.flatnonzero(power > max(AUDIBLE * float(np.percentile(power, LOUD)), SILENCE))
    end = spectra.first + loud[-1] * spectra.hop_seconds + ECHO if len(loud) else 0.0
    return min(end, spectra.duration)


def _frame_means(curve: Array, first: float, hop_seconds: float, edges: Array, duration: float) -> Array:
    """Means of a curve (N, ...) over the frames (F, ...) between `edges` (F + 1), in seconds, exactly.

    The curve holds each of its values for one step, with the value's own moment in the middle, and is 0 outside of
    the sound.
    """
    sums = np.concatenate([np.zeros((1, *curve.shape[1:])), np.cumsum(curve, axis=0, dtype=np.float64)])
    positions = ((edges.clip(0.0, duration) - first) / hop_seconds + 0.5).clip(0.0, len(curve))
    whole = np.minimum(positions.astype(int), len(curve) - 1)
    part = (positions - whole).reshape(-1, *[1] * (curve.ndim - 1))
    until = sums[whole] + part * curve[whole]
    spans = np.diff(edges).reshape(-1, *[1] * (curve.ndim - 1)) / hop_seconds
    return np.asarray(np.diff(until, axis=0) / spans, np.float64)


def _levels(spectra: Spectra, edges: Array) -> dict[str, Array]:
    """Loudness of the whole and of its parts, in [0, 1]."""
    framed = {
        name: _frame_means(power, spectra.first, spectra.hop_seconds, edges, spectra.duration).clip(0.0, None)
        ** LOUDNESS
        for name, power in spectra.powers.items()
    }
    whole = _loud_level(framed["loudness"], SILENCE**LOUDNESS)
    return {name: (level / _loud_level(level, LEAST_SHARE * whole)).clip(0.0, 1.0) for name, level in framed.items()}


def _loud_level(level: Array, least: float) -> float:
    """The level that becomes 1."""
    sounding = level[level > SILENCE**LOUDNESS]
    return max(least, float(np.percentile(sounding, LOUD))) if len(sounding) else max(least, SILENCE**LOUDNESS)


def _centroid(spectra: Spectra, edges: Array) -> Array:
    """The spectral centroid in octaves, stretched to the range that it has in this sound."""
    weight, moment, power = (
        _frame_means(curve, spectra.first, spectra.hop_seconds, edges, spectra.duration)
        for curve in (spectra.weight, spectra.moment, spectra.powers["loudness"])
    )
    sounding = (power > SILENCE) & (moment > 0)
    octaves = np.log2(moment[sounding] / weight[sounding])
    result = np.zeros(len(power))
    if len(octaves):
        low, high = np.percentile(octaves, [100.0 - LOUD, LOUD])
        result[sounding] = ((octaves - low) / max(high - low, LEAST_OCTAVES)).clip(0.0, 1.0)
    return result


def _chroma(spectra: Spectra, edges: Array) -> Array:
    """(F, 12), of which the strongest is 1."""
    power = _frame_means(spectra.powers["loudness"], spectra.first, spectra.hop_seconds, edges, spectra.duration)
    chroma = _frame_means(spectra.chroma, spectra.first, spectra.chroma_step, edges, spectra.duration)
    most = chroma.max(1, keepdims=True)
    sounding = (power[:, None] > SILENCE) & (most > 0)
    return np.where(sounding, chroma / np.where(sounding, most, 1.0), 0.0)


def _onsets_and_beats(found: Beats, edges: Array, duration: float) -> dict[str, Array]:
    """ "onset" and "beat" of the frames between `edges`."""
    onset, beat = np.zeros(len(edges) - 1), np.zeros(len(edges) - 1)
    beats, begins = np.asarray(found.beats), edges[:-1]
    if len(beats):
        following = np.append(beats[1:], beats[-1] + 60.0 / found.tempo)
        number = np.searchsorted(beats, begins, "right") - 1
        after = number >= 0
        current = number[after]
        beat[after] = 1.0 - (begins[after] - beats[current]) / np.maximum(following[current] - beats[current], 1e-9)
        beat = beat.clip(0.0, 1.0)
        beat[begins >= duration] = 0.0
    for curve, times in ((onset, np.asarray(found.onsets)), (beat, beats)):
        frame = np.searchsorted(edges, times, "right") - 1
        curve[frame[(frame >= 0) & (frame < len(curve))]] = 1.0
    return {"onset": onset, "beat": beat}
