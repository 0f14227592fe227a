"""Attack, release, threshold, gain and smoothing of a sound's features, so that what they drive does not tremble."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedit.audio.model import AudioFeatures
from vedit.config import EnvelopeSettings
from vedit.errors import ConfigError


def envelope(curve: NDArray[np.floating[Any]], rate: Fraction, shape: EnvelopeSettings) -> NDArray[np.float32]:
    """A curve (F,) in [0, 1] at `rate` frames per second, shaped: threshold, gain, attack and release, smoothing.

    Times are time constants: after one of them 63 % of the way is done, and 0 follows at once. What is below the
    threshold becomes 0 and the rest is stretched to [0, 1]; what the gain brings above 1 is cut.
    Each value is held for its frame and followed exactly: the same curve at another rate gives the same result at the
    same moments (the ends of frames). Nothing looks ahead, so that more frames do not change the first; before the
    first there is 0. Returns (F,) in [0, 1]. Raises ConfigError for a curve that is not so.
    """
    values = np.asarray(curve, np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ConfigError(f"a curve to be shaped is one row of numbers, not {_told(values)}")
    values = ((values.clip(0.0, 1.0) - shape.audio_threshold) / (1.0 - shape.audio_threshold)).clip(0.0, None)
    values = (values * shape.audio_gain).clip(0.0, 1.0)
    values = _follow(values, _decay(shape.audio_attack, rate), _decay(shape.audio_release, rate))
    kept = _decay(shape.audio_smoothing, rate)
    return _follow(values, kept, kept).astype(np.float32)


def apply_envelope(sound: AudioFeatures, shape: EnvelopeSettings) -> AudioFeatures:
    """A sound's features, each followed by an envelope."""
    return replace(sound, features={name: envelope(curve, sound.rate, shape) for name, curve in sound.features.items()})


def _told(values: NDArray[np.float64]) -> str:
    return f"{values.ndim} axes" if values.ndim != 1 else f"{values[~np.isfinite(values)][0]} in it"


def _decay(seconds: float, rate: Fraction) -> float:
    """The share of a distance that is left after one frame: exp(-t / T)."""
    frames = float(rate) * seconds
    return math.exp(-1.0 / frames) if frames > 0 else 0.0


def _follow(values: NDArray[np.float64], rising: float, falling: float) -> NDArray[np.float64]:
    """A one-pole follower from rest: the shares are those of a distance that are left after a frame."""
    result = np.empty_like(values)
    level = 0.0
    for index, value in enumerate(values):
        level = value + (level - value) * (rising if value > level else falling)
        result[index] = level
    return result
