"""How exactly beats and onsets are heard: ``python -m benchmarks.listening_accuracy``.

Click tracks of 40 to 240 BPM (even on a scale of octaves), each of 10 to 30 s, with clicks of four kinds, with and
without accents, and half of them in noise. A beat is found where one is heard within a frame of film (1/24 s), an onset
within 30 ms; "called so, rightly" is the share of what is heard that is there. Beside it librosa's own tracker and
onsets, at its defaults, on the same tracks. Brackets are 95 % bootstrap intervals over tracks.

``--assets FOLDER`` adds the tempo of real music in that folder, found and given.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import librosa
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.table import figure, percent, show
from vedit.audio import extract_features
from vedit.clip import Audio
from vedit.clip.audio_file import read_sound

FIRST = 970_000
"""Seed of the first track; other benchmarks use others."""

RATE = 44100

BEAT_WITHIN, ONSET_WITHIN = 1 / 24, 0.03
"""Seconds."""

MUSIC = {
    "Kevin_MacLeod_-_Vibe_Ace.ogg": 129.5,
    "calm_acoustic_1.opus": 68.0,
    "happy_electronic_1.opus": 123.0,
    "loop_garzul.flac": 120.0,
    "loop_breakbeat.flac": 126.0,
}
"""BPM of real music, as its makers state it."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Track:
    """Samples (L,) at RATE, the tempo in BPM, and the seconds of the beats, each of which is a click."""

    samples: NDArray[np.float32]
    bpm: float
    beats: Array


@dataclass(frozen=True)
class Answer:
    tempo: float
    beats: Array
    onsets: Array


Way = Callable[[NDArray[np.float32]], Answer]


def click(rng: np.random.Generator) -> Array:
    """One of: a tone, a burst of noise, a few samples, a bass drum."""
    kind = rng.integers(4)
    t = np.arange(round(RATE * (0.12 if kind == 3 else rng.uniform(0.01, 0.06)))) / RATE
    if kind == 0:
        return np.sin(2 * np.pi * rng.uniform(600, 3000) * t) * np.exp(-t * rng.uniform(40, 120))
    if kind == 1:
        return 0.4 * rng.standard_normal(len(t)) * np.exp(-t * rng.uniform(60, 200))
    if kind == 2:
        return np.repeat([1.0, -1.0, 0.5], 8)
    return np.sin(2 * np.pi * (50 * t + 4 * (1 - np.exp(-t * 40)))) * np.exp(-t * 25)


def click_track(seed: int) -> Track:
    rng = np.random.default_rng(seed)
    bpm = float(np.exp(rng.uniform(np.log(40), np.log(240))))
    seconds = rng.uniform(10, 30)
    beats = np.arange(rng.uniform(0, 1) if rng.random() < 0.8 else 0.0, seconds - 0.15, 60 / bpm)
    samples, sound = np.zeros(round(seconds * RATE)), click(rng)
    meter = int(rng.integers(2, 5)) if rng.random() < 0.5 else 1
    for number, beat in enumerate(beats):
        at = round(beat * RATE)
        piece = samples[at : at + len(sound)]
        piece += sound[: len(piece)] * 0.8 * (1.0 if number % meter == 0 else rng.uniform(0.4, 0.7))
    if rng.random() < 0.5:
        samples += 10 ** rng.uniform(-4, -2) * rng.standard_normal(len(samples))
    return Track(samples.astype(np.float32), bpm, beats)


def ours(samples: NDArray[np.float32]) -> Answer:
    heard = extract_features(Audio(torch.from_numpy(samples)[None], RATE), Fraction(24), 24)
    return Answer(heard.tempo, heard.beats, heard.onsets)


def librosas(samples: NDArray[np.float32]) -> Answer:
    """As its tutorial does it."""
    y = librosa.resample(samples, orig_sr=RATE, target_sr=22050)
    tempo, beats = librosa.beat.beat_track(y=y, sr=22050, units="time")
    return Answer(float(np.atleast_1d(tempo)[0]), beats, librosa.onset.onset_detect(y=y, sr=22050, units="time"))


def found(truth: Array, heard: Array, within: float) -> float:
    """The share of `truth` near which something is heard; NaN where there is no truth."""
    if not len(truth):
        return float("nan")
    return float((np.abs(truth[:, None] - heard).min(1, initial=np.inf) <= within).mean())


def measured(way: Way, track: Track) -> dict[str, float]:
    started = time.monotonic()
    answer = way(track.samples)
    seconds = time.monotonic() - started
    nearest = np.abs(track.beats[:, None] - answer.onsets).min(1, initial=np.inf)
    beats = found(track.beats, answer.beats, BEAT_WITHIN)
    return {
        "tempo": float(abs(answer.tempo / track.bpm - 1) < 0.02),
        "beats": beats,
        "all": float(beats == 1.0),
        "beats right": found(answer.beats, track.beats, BEAT_WITHIN),
        "onsets": found(track.beats, answer.onsets, ONSET_WITHIN),
        "onsets right": found(answer.onsets, track.beats, ONSET_WITHIN),
        "ms": 1000 * float(np.median(nearest)) if len(answer.onsets) else float("nan"),
        "speed": len(track.samples) / RATE / seconds,
    }


def summary(title: str, figures: list[dict[str, float]]) -> list[str]:
    columns = {name: [each[name] for each in figures] for name in figures[0]}
    speed = columns.pop("speed")
    error = columns.pop("ms")
    return [title, *(percent(values) for values in columns.values()), figure(error), f"{np.median(speed):.0f}"]


def of_music(path: Path, bpm: float) -> list[str]:
    audio = read_sound(path)
    free, given = extract_features(audio, Fraction(24), 24), extract_features(audio, Fraction(24), 24, bpm=bpm)
    plain = librosa.beat.beat_track(
        y=librosa.resample(audio.samples.mean(0).numpy(), orig_sr=audio.rate, target_sr=22050), sr=22050
    )[0]
    steps = 60 / np.diff(given.beats).mean()
    return [path.name, f"{bpm:g}", f"{free.tempo:.2f}", free.note, f"{steps:.2f}", f"{float(plain[0]):.1f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=int, default=50)
    parser.add_argument("--first", type=int, default=FIRST, help="seed of the first track; others are for choosing")
    parser.add_argument("--assets", type=Path, help="a folder with real music")
    arguments = parser.parse_args()
    tracks = [click_track(arguments.first + number) for number in range(arguments.tracks)]
    ours(tracks[0].samples)  # compiling is not timed
    librosas(tracks[0].samples)
    ways: dict[str, Way] = {"librosa's defaults": librosas, "vedit": ours}
    lines = [summary(title, [measured(way, track) for track in tracks]) for title, way in ways.items()]
    header = [
        "", "tempo within 2 %", "beats found", "tracks with all", "called so, rightly", "onsets found",
        "called so, rightly", "onset's error, ms", "times real time",
    ]  # fmt: skip
    show(f"{len(tracks)} click tracks of 40 to 240 BPM", header, lines)
    if arguments.assets is not None:
        places = [(arguments.assets / name, bpm) for name, bpm in MUSIC.items()]
        rows = [of_music(path, bpm) for path, bpm in places if path.is_file()]
        show("Real music, BPM", ["", "stated", "found", "note", "given: mean of the beats", "librosa"], rows)


if __name__ == "__main__":
    main()
