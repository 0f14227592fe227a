"""Tempo and beats of an onset strength curve.

librosa's tracker (Ellis 2007) finds the beats of a given tempo well. But the tempo that it takes by itself leans to
120, comes in coarse steps, and is often half or double. So here several tempi are tried, each with its beats, and
judged by both; and where the beats turn out to lie on an even grid, as in most recorded music, that grid is taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedit.audio.onsets import OnsetCurve, find_onsets
from vedit.config import BPM
from vedit.errors import ConfigError

Array = NDArray[np.floating[Any]]

SLOWEST, FASTEST = 40.0, 240.0
"""BPM between which a tempo is looked for."""

USUAL, SPREAD = 120.0, 0.8
"""BPM, and octaves: the log-normal prior of tempi. librosa's is one octave wide."""

NEAR = 0.15
"""Half or double the tempo is named in the note from this share of the best likelihood on."""

LEAST = 3
"""Onsets without which no tempo is looked for."""

TOLERANCE = 0.05
"""Seconds within which an onset belongs to a beat (of fast ones less: an eighth of the beat)."""

STEADY, STEADY_WITHIN = 0.75, 0.025
"""The share of beats, and seconds: so many so near to an even grid make the tempo a steady one."""

_TIGHT, _TIGHT_GIVEN = 100.0, 400.0
"""How closely librosa's tracker keeps to the tempo: its default, and where the tempo is known."""

_MULTIPLES = 4
"""Beats over which the curve is compared with itself."""


@dataclass(frozen=True)
class Beats:
    """Beats and onsets in seconds of the sound, ascending; tempo in BPM, 0 where there are no beats; a note or ""."""

    tempo: float
    beats: tuple[float, ...]
    onsets: tuple[float, ...]
    note: str


@dataclass(frozen=True, eq=False)
class _Candidate:
    tempo: float
    beats: Array
    likelihood: float


def find_beats(curve: OnsetCurve, bpm: float | None = None) -> Beats:
    """The onsets, tempo and beats of a sound.

    `bpm` overrules the tempo; only where the beats fall is then looked for. Raises ConfigError where it is not 20 to
    400. The note says which other tempo is about as likely, or that a given one does not seem to fit.
    """
    if bpm is not None and not BPM[0] <= bpm <= BPM[1]:
        raise ConfigError(f"bpm is {bpm:g}; expected {BPM[0]:g} to {BPM[1]:g} beats per minute")
    times, strengths = find_onsets(curve)
    onsets = tuple(times.tolist())
    found = sorted(_candidates(curve, times, strengths), key=lambda each: -each.likelihood)
    if bpm is not None:
        return Beats(bpm, tuple(_beats_at_tempo(curve, bpm, times, strengths).tolist()), onsets, _bpm_note(bpm, found))
    if not found:
        return Beats(0.0, (), onsets, "no beats are heard; give --bpm to have some")
    tempo, beats = _exact_tempo(curve, found[0], times)
    return Beats(tempo, tuple(beats.tolist()), onsets, _other_tempo_note(tempo, found))


def _candidates(curve: OnsetCurve, times: Array, strengths: Array) -> list[_Candidate]:
    """Tempi at which the curve resembles itself, with their beats."""
    if len(times) < LEAST:
        return []
    grid = np.exp(np.linspace(np.log(SLOWEST * 0.97), np.log(FASTEST * 1.03), 400))
    alike = _autocorrelation(curve.strength)
    lags = 60.0 / grid / curve.hop_seconds
    comb = np.mean([_value_at(alike, number * lags) for number in range(1, _MULTIPLES + 1)], axis=0)
    tops = np.flatnonzero((comb[1:-1] > comb[:-2]) & (comb[1:-1] >= comb[2:])) + 1
    tops = tops[(grid[tops] > SLOWEST * 0.99) & (grid[tops] < FASTEST * 1.01)]
    prior = np.exp(-0.5 * (np.log2(grid / USUAL) / SPREAD) ** 2)
    likely = sorted(tops, key=lambda top: -comb[top] * prior[top])[:10]
    found = []
    for top in likely:
        tempo = float(grid[top])
        beats = _track_beats(curve, tempo, _TIGHT, times)
        if len(beats) >= 2:
            bar = max(_peak_near(alike, count * lags[top]) for count in (3, 4))
            likelihood = _rhythm_score(beats, tempo, times, strengths) * max(comb[top] * bar, 1e-3) ** 2 * prior[top]
            found.append(_Candidate(tempo, beats, float(likelihood)))
    return found


def _autocorrelation(strength: Array) -> Array:
    """Autocorrelation by lag in steps, 1 for lag 0, corrected for the smaller overlap of long lags."""
    from scipy.ndimage import gaussian_filter1d

    # Blurred by 14 ms: players are not more exact than that, nor is the grid of lags.
    values = gaussian_filter1d(strength.astype(np.float64), 1.2)
    values -= values.mean()
    count = len(values)
    products = np.fft.irfft(np.abs(np.fft.rfft(values, 2 * count)) ** 2)[:count]
    overlap = np.arange(count, 0, -1).clip(0.1 * count, None) / count
    return np.asarray(products / products[0].clip(1e-12) / overlap, np.float64)


def _value_at(alike: Array, lags: Array) -> Array:
    """0 for lags of which too little is left to compare."""
    return np.where(lags < 0.9 * len(alike), np.interp(lags, np.arange(len(alike)), alike), 0.0)


def _peak_near(alike: Array, lag: float) -> float:
    """The most within 1.5 %, as the tempo is known no better."""
    near = alike[int(lag * 0.985) : int(lag * 1.015) + 2]
    return float(near.max()) if lag < 0.9 * len(alike) and len(near) else 0.0


def _track_beats(curve: OnsetCurve, tempo: float, tightness: float, times: Array) -> Array:
    """Seconds of the beats by dynamic programming (Ellis 2007), from the first onset to the last."""
    from vedit.audio.compiled import librosa

    _, indices = librosa.beat.beat_track(
        onset_envelope=curve.strength,
        sr=1.0 / curve.hop_seconds,
        hop_length=1,
        bpm=tempo,
        tightness=tightness,
        trim=False,
    )
    beats = curve.seconds(indices)
    return beats[(beats >= times[0] - TOLERANCE) & (beats <= times[-1] + TOLERANCE)]


def _rhythm_score(beats: Array, tempo: float, times: Array, strengths: Array) -> float:
    """How well beats tell a rhythm, in [0, 1]: the share of all onset strength that lies on beats, squared; how even
    it is between odd and even beats; and how many beats have an onset at all.

    The first speaks against half the tempo, the others against the double one.
    """
    share = strengths[_distance_to_nearest(times, beats)[0] < _tolerance(tempo)].sum() / strengths.sum()
    on_beat = _strength_on_beats(beats, tempo, times, strengths)
    turns = sorted(float(on_beat[turn::2].mean()) for turn in (0, 1))
    even = turns[0] / turns[1] if turns[1] > 0 else 0.0
    filled = float((on_beat > 0.25 * np.percentile(strengths, 90)).mean())
    return float(share**2 * max(even, 0.05) * max(filled, 0.05))


def _tolerance(tempo: float) -> float:
    return min(TOLERANCE, 0.12 * 60.0 / tempo)


def _strength_on_beats(beats: Array, tempo: float, times: Array, strengths: Array) -> Array:
    """The strength of the onset at each beat, 0 where there is none."""
    misses, nearest = _distance_to_nearest(beats, times)
    return np.where(misses < _tolerance(tempo), strengths[nearest], 0.0)


def _distance_to_nearest(times: Array, others: Array) -> tuple[Array, NDArray[np.intp]]:
    """How far each of `times` is from the nearest of `others` (one or more, ascending), and which that is."""
    after = np.searchsorted(others, times).clip(0, len(others) - 1)
    before = (after - 1).clip(0)
    nearest = np.where(np.abs(times - others[before]) <= np.abs(times - others[after]), before, after)
    return np.abs(times - others[nearest]), nearest


def _beats_at_tempo(curve: OnsetCurve, bpm: float, times: Array, strengths: Array) -> Array:
    """The beats of a given tempo: an even grid on the strongest onsets, or, if these wander, as they are tracked; from
    the very beginning where nothing tells where they fall."""
    if not len(times):
        return _even_grid(curve, times, 60.0 / bpm, 0.0)
    period, phase, _ = _best_even_grid(times, strengths, 60.0 / bpm, 0.01)
    choices = [_even_grid(curve, times, period, phase)]
    if len(tracked := _track_beats(curve, bpm, _TIGHT_GIVEN, times)):
        choices.append(_extend(curve, times, tracked, 60.0 / bpm))
    return max(choices, key=lambda beats: float(_strength_on_beats(beats, bpm, times, strengths).mean()))


def _exact_tempo(curve: OnsetCurve, best: _Candidate, times: Array) -> tuple[float, Array]:
    """The exact tempo, and the beats, on an even grid if they are near one; to the ends of what is audible."""
    heard = best.beats[_distance_to_nearest(best.beats, times)[0] < TOLERANCE]
    if len(heard) >= LEAST:
        period, phase, share = _best_even_grid(heard, np.ones(len(heard)), 60.0 / best.tempo, 0.03)
        if share >= STEADY:
            return 60.0 / period, _even_grid(curve, times, period, phase)
    period = float(np.median(np.diff(best.beats)))
    return 60.0 / period, _extend(curve, times, best.beats, period)


def _best_even_grid(times: Array, weights: Array, period: float, slack: float) -> tuple[float, float, float]:
    """The even grid with most weight on it: its period within a share `slack` of the one given, its phase (seconds),
    and the share of the weight that lies on it."""
    best, numbers, on_grid = 0.0, np.zeros(1), times[:1]
    # Trials so near to each other that the last beat moves by less than what counts as near.
    count = max(201, 2 * round(slack * float(times[-1] - times[0]) / STEADY_WITHIN) + 1)
    for trial in period * np.linspace(1.0 - slack, 1.0 + slack, count):
        turns = times / trial % 1.0
        order = np.argsort(turns)
        turns, sums = turns[order], np.concatenate([[0.0], np.cumsum(np.tile(weights[order], 2))])
        width = 2 * STEADY_WITHIN / trial
        until = np.searchsorted(np.concatenate([turns, turns + 1.0]), turns + width, "right")
        weight = sums[until] - sums[: len(turns)]
        if weight.max() > best + 1e-9:
            best = float(weight.max())
            middle = turns[weight.argmax()] + width / 2
            numbers = np.round(times / trial - middle)
            near = np.abs(times / trial - middle - numbers) <= width / 2 + 1e-9
            numbers, on_grid = numbers[near], times[near]
    if np.ptp(numbers) >= 2:
        fitted = np.polynomial.Polynomial.fit(numbers, on_grid, 1).convert().coef
        if abs(fitted[1] / period - 1.0) <= 2 * slack:
            return float(fitted[1]), float(fitted[0]), best / float(weights.sum())
    return period, float(on_grid[0]), best / float(weights.sum())


def _earliest_beat(times: Array) -> float:
    """Seconds: the first beat may be a hair before the sound begins, and is then at its beginning."""
    return max(float(times[0]) - TOLERANCE, -STEADY_WITHIN) if len(times) else 0.0


def _even_grid(curve: OnsetCurve, times: Array, period: float, phase: float) -> Array:
    """An even grid from the first onset to the end; what is a hair before the end is after it."""
    first, last = (
        np.ceil((_earliest_beat(times) - phase) / period),
        np.floor((curve.end - STEADY_WITHIN - phase) / period),
    )
    return (phase + period * np.arange(first, max(first, last) + 1)).clip(0.0, None)


def _extend(curve: OnsetCurve, times: Array, beats: Array, period: float) -> Array:
    """Beats that were tracked, and others before and after them as far as a grid would reach."""
    ahead = np.arange(beats[0] - period, _earliest_beat(times), -period)[::-1]
    after = np.arange(beats[-1] + period, curve.end - STEADY_WITHIN, period)
    return np.concatenate([ahead, beats, after]).clip(0.0, None)


def _other_tempo_note(tempo: float, found: list[_Candidate]) -> str:
    """A note where half or double the tempo is about as likely, else empty."""
    for other in found[1:]:
        ratio = other.tempo / found[0].tempo
        double = tempo * (2.0 if ratio > 1 else 0.5)
        likely = other.likelihood >= NEAR * found[0].likelihood and SLOWEST <= double <= FASTEST
        if likely and min(abs(ratio * 2 - 1), abs(ratio / 2 - 1)) < 0.04:
            low, high = sorted((tempo, double))
            return f"about {low:.0f} or {high:.0f} BPM: {tempo:.0f} is taken; give --bpm {double:.0f} for the other"
    return ""


def _bpm_note(bpm: float, found: list[_Candidate]) -> str:
    """A note where a given tempo does not fit the sound, else empty."""
    if not found:
        return "no beats are heard; they are counted by the given bpm alone"
    ratio = found[0].tempo / bpm
    if min(abs(ratio / simple - 1) for simple in (1, 2, 3, 4, 1 / 2, 1 / 3, 1 / 4)) < 0.04:
        return ""
    return f"{bpm:g} BPM as given, but the sound seems to have about {found[0].tempo:.0f}"
