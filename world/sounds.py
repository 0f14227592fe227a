"""What the world sounds like: one bed of sound per ground, and rain or snow on top, as loud as it falls hard.

Every sound is made from a seed. Within a kind, pitch, pace and colour differ from seed to seed, so that a listener has
to learn what makes rain rain.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from world.scene import Background, Weather

Array = NDArray[np.floating[Any]]

RATE = 16_000
"""Hz."""

BED = 0.12
"""Root mean square of a ground's sound; weather at its hardest has three times that."""


def sound(
    background: Background, weather: Weather, intensity: Array, seconds: float, seed: int, *, rate: int = RATE
) -> Array:
    """Samples (L,) float32 in [-1, 1]. ``intensity`` (K,), 0 to 1, is spread evenly over the time: how hard it rains
    or snows then."""
    length = round(seconds * rate)
    time = np.arange(length) / rate
    bed = BED * _even(_BEDS[background](time, rate, np.random.default_rng([51, seed])))
    if weather == "clear":
        return _limited(bed)
    fall = _even(_FALLS[weather](time, rate, np.random.default_rng([52, seed])))
    knots = (np.arange(len(intensity)) + 0.5) * seconds / len(intensity)
    loud = np.interp(time, knots, intensity)
    return _limited(bed + 3 * BED * loud * fall)


def _even(x: Array) -> Array:
    return x / max(float(np.sqrt(np.mean(x**2))), 1e-9)


def _limited(x: Array) -> Array:
    return np.tanh(x).astype(np.float32)


def _noise(length: int, rate: int, low: float, high: float, rng: np.random.Generator) -> Array:
    """Noise between two frequencies in Hz, made in blocks."""
    block = rate
    count = -(-length // block) + 1
    frequency = np.fft.rfftfreq(2 * block, 1 / rate)
    octaves = np.log2(np.maximum(frequency, 1.0))
    passed = 1 / (1 + np.exp(-12 * (octaves - np.log2(low)))) / (1 + np.exp(12 * (octaves - np.log2(high))))
    # Blocks that overlap by half, each faded in and out, add up to a noise as loud throughout.
    fade = np.sin(np.pi * (np.arange(2 * block) + 0.5) / (2 * block))
    made = np.zeros((count + 1) * block)
    for number in range(count):
        spectrum = np.fft.rfft(rng.standard_normal(2 * block)) * passed
        made[number * block : (number + 2) * block] += fade * np.fft.irfft(spectrum, 2 * block)
    return made[block : block + length]


def _strikes(time: Array, rate: int, every: float, decay: float, pitch: Callable[[], float], rng: Any) -> Array:
    """Struck tones that ring out, at random moments ``every`` so many seconds."""
    made, at = np.zeros(len(time)), float(rng.uniform(0, every))
    while at * rate < len(time):
        first = int(at * rate)
        after = np.arange(min(len(time) - first, int(6 * decay * rate))) / rate
        made[first : first + len(after)] += (
            rng.uniform(0.5, 1) * np.exp(-after / decay) * np.sin(2 * np.pi * pitch() * after)
        )
        at += every * float(rng.uniform(0.5, 1.5))
    return made


def _grass(time: Array, rate: int, rng: np.random.Generator) -> Array:
    """Crickets: a high tone in quick pulses, in chirps."""
    tone = np.sin(2 * np.pi * rng.uniform(3800, 5200) * time)
    pulses = np.maximum(0, np.sin(2 * np.pi * rng.uniform(22, 34) * time)) ** 2
    chirps = np.sin(2 * np.pi * rng.uniform(1.2, 2.4) * time + rng.uniform(0, 6)) > rng.uniform(-0.6, 0.0)
    return tone * pulses * chirps + 0.05 * _noise(len(time), rate, 300, 3000, rng)


def _sand(time: Array, rate: int, rng: np.random.Generator) -> Array:
    """Dry wind in gusts."""
    gusts = 0.6 + 0.4 * np.sin(2 * np.pi * rng.uniform(0.3, 0.8) * time + rng.uniform(0, 6))
    low = rng.uniform(350, 500)
    return gusts * _noise(len(time), rate, low, 1.8 * low, rng)


def _water(time: Array, rate: int, rng: np.random.Generator) -> Array:
    """Waves that swell and break."""
    swell = np.maximum(0.1, np.sin(2 * np.pi * rng.uniform(0.4, 0.8) * time + rng.uniform(0, 6))) ** 2
    return _noise(len(time), rate, 60, rng.uniform(180, 260), rng) + 0.8 * swell * _noise(
        len(time), rate, 500, rng.uniform(1200, 1800), rng
    )


def _night(time: Array, rate: int, rng: np.random.Generator) -> Array:
    """An owl: low, hollow hoots."""
    pitch = rng.uniform(320, 420)
    hoot = np.maximum(0, np.sin(2 * np.pi * rng.uniform(0.9, 1.4) * time + rng.uniform(0, 6))) ** 3
    glide = pitch * time + 6 * np.sin(2 * np.pi * 1.1 * time) / (2 * np.pi)
    return hoot * (np.sin(2 * np.pi * glide) + 0.3 * np.sin(4 * np.pi * glide)) + 0.03 * _noise(
        len(time), rate, 100, 900, rng
    )


def _brick(time: Array, rate: int, rng: np.random.Generator) -> Array:
    """A street: the hum of engines, and hammering."""
    base = rng.uniform(70, 110)
    hum = sum(np.sin(2 * np.pi * base * k * time + rng.uniform(0, 6)) / k for k in range(1, 7))
    return hum + 1.2 * _strikes(time, rate, rng.uniform(0.25, 0.4), 0.015, lambda: float(rng.uniform(700, 1100)), rng)


def _stone(time: Array, rate: int, rng: np.random.Generator) -> Array:
    """A cave: drops that ring, and their echo."""
    drops = _strikes(time, rate, rng.uniform(0.2, 0.35), 0.09, lambda: float(rng.uniform(1300, 2400)), rng)
    late = int(rng.uniform(0.11, 0.17) * rate)
    echo = np.concatenate([np.zeros(late), drops[:-late]]) if late < len(drops) else np.zeros_like(drops)
    return drops + 0.5 * echo + 0.02 * _noise(len(time), rate, 100, 500, rng)


def _rain(time: Array, rate: int, rng: np.random.Generator) -> Array:
    """A bright hiss, and drops in it."""
    hiss = _noise(len(time), rate, rng.uniform(1800, 2400), rng.uniform(6000, 7500), rng)
    drops = np.where(rng.random(len(time)) < 40 / rate, rng.uniform(2, 8, len(time)), 0)
    return hiss / max(float(hiss.std()), 1e-9) + drops


def _snow(time: Array, rate: int, rng: np.random.Generator) -> Array:
    """Soft bells over a muffled wind."""
    bells = _strikes(time, rate, rng.uniform(0.06, 0.1), 0.12, lambda: float(rng.uniform(2500, 3400)), rng)
    wind = _noise(len(time), rate, 120, rng.uniform(260, 340), rng)
    return bells / max(float(bells.std()), 1e-9) + wind / max(float(wind.std()), 1e-9)


_BEDS: dict[Background, Callable[[Array, int, np.random.Generator], Array]] = {
    "grass": _grass, "sand": _sand, "water": _water, "night": _night, "brick": _brick, "stone": _stone,
}  # fmt: skip
_FALLS: dict[Weather, Callable[[Array, int, np.random.Generator], Array]] = {"rain": _rain, "snow": _snow}
