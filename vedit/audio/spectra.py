"""Spectra of a whole sound on a time grid far finer than video frames: band powers, onset strength, chroma."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedit.clip.audio import Audio
from vedit.errors import MediaError

Array = NDArray[np.floating[Any]]

RATE = 22050
"""Hz at which sounds are analysed: librosa's own. What is above 11 kHz moves no feature by much."""

WINDOW, HOP = 1024, 256
"""Samples of one spectrum and between two: 46 ms and 11.6 ms."""

TONE_WINDOW, TONE_HOP = 4096, 1024
"""The same for chroma, which must tell low semitones apart."""

MARGIN = RATE // 2
"""Samples of silence put before and after, so that an onset at the very beginning is a rise as any other."""

BANDS = {"bass": (20.0, 250.0), "mid": (250.0, 4000.0), "treble": (4000.0, RATE / 2)}
"""Hz, from and up to."""

SEPARATION = 2.0
"""How many times as strong as the harmonic part a bin must be to count as percussive (Driedger et al. 2014: beta)."""

SILENCE = 1e-6
"""Mean square of what counts as silence: 60 dB below full scale."""

_KERNEL = 31
"""Spectra and bins over which HPSS takes its medians: librosa's default."""

_BLOCK = 4096
"""Spectra that are in memory at a time."""

_MELS, _MEL_RANGE, _MEL_EDGES = 64, (30.0, 10_000.0), (200.0, 2000.0)
"""Bands of the onset strength: how many, between which Hz, and where they are parted in low, middle and high."""

_COMPRESSION = 30.0
"""Of the mel spectrum's amplitudes, of which loud ones are 1: log(1 + c x)."""


@dataclass(frozen=True, eq=False)
class Spectra:
    """Curves of a whole sound. Value k of a curve lies at the second ``first + k * hop_seconds``.

    powers: mean squares (N,), full scale being 1: "loudness", "percussive", "bass", "mid", "treble"
    weight, moment: sums (N,) over the spectrum of the amplitude, and of amplitude times Hz; their ratio is the centroid
    onset_strength: (N,), at least 0, and 1 for strong onsets; low, middle and high count the same
    chroma: (M, 12) powers of the pitch classes from C on, every ``chroma_step`` seconds
    duration: seconds of the sound itself
    """

    first: float
    hop_seconds: float
    powers: dict[str, Array]
    weight: Array
    moment: Array
    onset_strength: Array
    chroma: Array
    chroma_step: float
    duration: float


def analyse(audio: Audio) -> Spectra:
    """Listen to all of a sound, of any rate and number of channels.

    Channels are joined as powers, so that what is out of phase does not vanish. Raises MediaError for samples that are
    no numbers.
    """
    from vedit.audio.compiled import librosa

    samples = _resampled(audio)
    mels = librosa.filters.mel(sr=RATE, n_fft=WINDOW, n_mels=_MELS, fmin=_MEL_RANGE[0], fmax=_MEL_RANGE[1])
    hertz = librosa.fft_frequencies(sr=RATE, n_fft=WINDOW)
    inside = {name: (hertz >= low) & (hertz < high) for name, (low, high) in BANDS.items()}
    reach = _KERNEL // 2
    powers: dict[str, list[Array]] = {name: [] for name in ("loudness", "percussive", *BANDS)}
    mel, weight, moment = [], [], []
    for spectra, before, after in _blocks(samples, WINDOW, HOP, reach):
        kept = slice(before, spectra.shape[1] - after)
        amplitude = np.sqrt(spectra)
        percussive = librosa.decompose.hpss(amplitude, kernel_size=_KERNEL, margin=SEPARATION)[1][:, kept] ** 2
        spectra, amplitude = spectra[:, kept], amplitude[:, kept]
        powers["loudness"].append(spectra.sum(0))
        powers["percussive"].append(percussive.sum(0))
        for name, bins in inside.items():
            powers[name].append(spectra[bins].sum(0))
        mel.append(mels @ spectra)
        weight.append(amplitude.sum(0))
        moment.append((hertz[:, None] * amplitude).sum(0))
    tones = [
        librosa.feature.chroma_stft(S=spectra, sr=RATE, n_fft=TONE_WINDOW, tuning=0.0, norm=None)
        for spectra, _, _ in _blocks(samples, TONE_WINDOW, TONE_HOP, 0)
    ]
    return Spectra(
        first=-MARGIN / RATE,
        hop_seconds=HOP / RATE,
        powers={name: np.concatenate(each) for name, each in powers.items()},
        weight=np.concatenate(weight),
        moment=np.concatenate(moment),
        onset_strength=_onset_strength(np.concatenate(mel, axis=1)),
        chroma=np.concatenate(tones, axis=1).T,
        chroma_step=TONE_HOP / RATE,
        duration=audio.duration,
    )


def _resampled(audio: Audio) -> NDArray[np.float32]:
    """Samples (C, L) at RATE with silence around them."""
    from vedit.audio.compiled import librosa

    samples = audio.samples.detach().to("cpu").float().numpy()
    numbers = np.isfinite(samples).all(0)
    if not numbers.all():
        second = int(np.argmin(numbers)) / audio.rate
        raise MediaError(
            f"the sound holds samples that are no numbers, the first at {second:.3f} s; take them out first"
        )
    padded = np.zeros((0, 0), np.float32)
    for index, channel in enumerate(samples):  # one by one, as an hour of them is gigabytes
        if audio.rate != RATE and len(channel):
            channel = librosa.resample(channel, orig_sr=audio.rate, target_sr=RATE)
        if not index:
            padded = np.zeros((len(samples), MARGIN + len(channel) + MARGIN + WINDOW), np.float32)
        padded[index, MARGIN : MARGIN + len(channel)] = channel
    return padded


def _blocks(samples: NDArray[np.float32], window: int, hop: int, reach: int) -> Iterator[tuple[Array, int, int]]:
    """Power spectra (bins, n) of a whole sound, block by block, the first one centred at sample 0.

    A block also holds up to `reach` spectra of its neighbours; how many before and after comes with it. A full-scale
    square wave has a sum of 1.
    """
    from vedit.audio.compiled import librosa

    shape = librosa.filters.get_window("hann", window).astype(np.float32)
    scale = 2.0 / (window * float((shape**2).sum()) * len(samples))  # 2: the negative frequencies are not there
    count = (samples.shape[1] - 1) // hop + 1
    for start in range(0, count, _BLOCK):
        first, last = max(0, start - reach), min(count, start + _BLOCK + reach)
        begin, end = first * hop - window // 2, (last - 1) * hop + window - window // 2
        lacking = max(0, -begin), max(0, end - samples.shape[1])
        piece = np.pad(samples[:, max(0, begin) : end], ((0, 0), lacking))
        spectra: Array = np.zeros((window // 2 + 1, last - first), np.float32)
        for channel in piece:
            spectrum = librosa.stft(channel, n_fft=window, hop_length=hop, window=shape, center=False)
            spectra += np.abs(spectrum) ** 2
        yield spectra * np.float32(scale), start - first, last - min(count, start + _BLOCK)


def _onset_strength(mel: Array) -> Array:
    """SuperFlux (Boeck and Widmer 2013) of a mel spectrogram (bands, N), for low, middle and high sounds.

    Each third is scaled to its own strong onsets, as the snare would otherwise drown the bass drum.
    """
    from vedit.audio.compiled import librosa

    reference = max(float(np.percentile(mel.max(0), 98)), SILENCE / _MELS)
    compressed = np.log1p(_COMPRESSION * np.sqrt(mel / reference))
    centres = librosa.mel_frequencies(_MELS + 2, fmin=_MEL_RANGE[0], fmax=_MEL_RANGE[1])[1:-1]
    edges = [0, *(int(np.searchsorted(centres, edge)) for edge in _MEL_EDGES), _MELS]
    thirds = librosa.onset.onset_strength_multi(
        S=compressed, sr=RATE, hop_length=HOP, lag=1, max_size=3, center=False, channels=edges
    )
    strong = np.percentile(thirds, 99.5, axis=1, keepdims=True)
    # A third in which next to nothing happens is not blown up; and one bang does not count for many.
    strong = np.maximum(strong, max(0.2 * float(strong.max()), 1e-3))
    return np.minimum(thirds / strong, 1.3).mean(0)
