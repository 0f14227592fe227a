"""Onsets: the moments at which something begins to sound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

LEAD = 0.0085
"""Seconds by which the onset strength rises before the onset itself: the window looks ahead. Measured on clicks."""

STANDING_OUT = 0.07
"""How far above its surroundings an onset's strength must be, strong ones having 1: librosa's default."""


@dataclass(frozen=True, eq=False)
class OnsetCurve:
    """Onset strength (N,), at the seconds ``first + k * hop_seconds``; the sound is audible from 0 to `end`."""

    strength: Array
    first: float
    hop_seconds: float
    end: float

    def seconds(self, index: NDArray[np.integer[Any]]) -> Array:
        """The times of the peaks at these indices, to a fraction of a step: the top of the parabola through three
        values."""
        inner = index.clip(1, len(self.strength) - 2)
        left, middle, right = (self.strength[inner + shift] for shift in (-1, 0, 1))
        bend = left - 2 * middle + right
        shift = np.where(bend < 0, (left - right) / np.where(bend < 0, 2 * bend, 1.0), 0.0).clip(-0.5, 0.5)
        return np.asarray(self.first + (index + shift) * self.hop_seconds + LEAD, np.float64)


def find_onsets(curve: OnsetCurve) -> tuple[Array, Array]:
    """Seconds and strengths of the onsets: peaks that stand out of their surroundings (Boeck, Krebs, Schedl 2012)."""
    from vedit.audio.compiled import librosa

    if not curve.strength.any():
        return np.zeros(0), np.zeros(0)
    strength = curve.strength / max(float(np.percentile(curve.strength, 99.5)), 1e-3)
    near, around = round(0.03 / curve.hop_seconds), round(0.1 / curve.hop_seconds)
    peaks = librosa.util.peak_pick(
        strength,
        pre_max=near,
        post_max=near + 1,
        pre_avg=around,
        post_avg=around + 1,
        delta=STANDING_OUT + float(np.median(strength)),  # noise raises the median
        wait=1,
    )
    times = curve.seconds(peaks).clip(0.0, None)
    inside = times <= curve.end
    return times[inside], strength[peaks][inside]
