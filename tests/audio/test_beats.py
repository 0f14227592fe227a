"""Onsets, beats and tempo, where they are known."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.audio.making import click_times, clicks, joined, missed, silence, tone
from vedit.audio import AudioFeatures, extract_features
from vedit.clip import Audio
from vedit.clip.audio_file import read_sound
from vedit.errors import ConfigError

FILM = Fraction(24)
ASSETS = Path(os.environ.get("VEDIT_ASSETS", Path(__file__).resolve().parents[3] / "shared" / "assets"))
MUSIC = ASSETS / "media" / "audio"
needs_assets = pytest.mark.skipif(
    not MUSIC.is_dir(), reason="real music is not here; point VEDIT_ASSETS at a folder that has media/audio"
)


def heard(audio: Audio, bpm: float | None = None) -> AudioFeatures:
    return extract_features(audio, FILM, max(1, int(audio.duration * FILM)), bpm=bpm)


@pytest.mark.parametrize("bpm", [40, 47.3, 61, 73.5, 90, 107.7, 120, 133.3, 168, 191, 214.5, 240])
def test_every_click_is_a_beat_and_an_onset(bpm: float) -> None:
    times = click_times(bpm, 12.0, first=0.37)
    found = heard(clicks(times, 12.0))
    assert found.tempo == pytest.approx(bpm, rel=0.005)
    assert missed(times, found.beats, 1 / 24) == 0
    assert missed(found.beats, times, 1 / 24) == 0
    assert missed(times, found.onsets, 0.03) == 0
    assert missed(found.onsets, times, 0.03) == 0


@pytest.mark.slow
@pytest.mark.parametrize("rate", [8000, 44100, 96000])
@pytest.mark.parametrize("bpm", np.geomspace(40, 240, 17).round(1))
def test_clicks_of_all_tempi_and_rates(bpm: float, rate: int) -> None:
    times = click_times(bpm, 20.0, first=0.1)
    found = heard(clicks(times, 20.0, rate))
    assert missed(times, found.beats, 1 / 24) == missed(found.beats, times, 1 / 24) == 0
    assert missed(times, found.onsets, 0.03) == missed(found.onsets, times, 0.03) == 0


def test_a_click_at_the_very_beginning_counts() -> None:
    times = click_times(120, 6.0)
    found = heard(clicks(times, 6.0))
    assert found.beats[0] == pytest.approx(0.0, abs=0.01)
    assert found.onsets[0] == pytest.approx(0.0, abs=0.01)
    assert found.features["onset"][0] == found.features["beat"][0] == 1


def test_a_loop_of_four_beats() -> None:
    times = click_times(126, 60 / 126 * 4)
    found = heard(clicks(times, 60 / 126 * 4))
    assert found.tempo == pytest.approx(126, rel=0.01)
    assert len(found.beats) == 4


def test_accents_do_not_halve_the_tempo() -> None:
    times = click_times(132, 12.0, first=0.2)
    soft = clicks(times, 12.0, loud=0.4)
    found = heard(Audio(soft.samples + clicks(times[::4], 12.0, loud=0.4).samples, soft.rate))
    assert found.tempo == pytest.approx(132, rel=0.005)


def test_beats_go_on_where_one_is_left_out() -> None:
    times = click_times(100, 15.0, first=0.25)
    found = heard(clicks(np.delete(times, [7, 13]), 15.0))
    assert missed(times, found.beats, 1 / 24) == 0


def test_beats_follow_a_tempo_that_changes() -> None:
    steps = np.linspace(0.6, 0.45, 32)
    times = 0.3 + np.concatenate([[0.0], np.cumsum(steps)])
    found = heard(clicks(times, float(times[-1]) + 0.5))
    assert missed(times, found.beats, 1 / 24) <= 1


def test_half_the_tempo_is_told_where_it_is_as_likely() -> None:
    beats = click_times(140, 16.0, first=0.1)
    soft = clicks(beats, 16.0, loud=0.25)
    found = heard(Audio(soft.samples + clicks(beats[::2], 16.0, loud=0.7).samples, soft.rate))
    assert "about 70 or 140 BPM" in found.note
    assert "give --bpm " in found.note
    assert heard(clicks(click_times(100, 12.0), 12.0)).note == ""


@pytest.mark.parametrize("bpm", [60, 120, 240])
def test_a_given_tempo_overrules(bpm: float) -> None:
    times = click_times(120, 12.0, first=0.31)
    found = heard(clicks(times, 12.0), bpm)
    assert found.tempo == bpm
    assert np.diff(found.beats) == pytest.approx(60 / bpm, rel=0.005)
    assert missed(found.beats if bpm <= 120 else times, times if bpm <= 120 else found.beats, 1 / 24) == 0
    assert found.note == ""


def test_a_given_tempo_that_does_not_fit_is_told() -> None:
    found = heard(clicks(click_times(120, 12.0), 12.0), 97)
    assert found.tempo == 97
    assert "97 BPM as given, but the sound seems to have about 120" in found.note


@pytest.mark.parametrize("bpm", [0, -3, 19, 401, float("nan"), float("inf")])
def test_a_given_tempo_that_cannot_be(bpm: float) -> None:
    with pytest.raises(ConfigError, match="expected 20 to 400"):
        heard(clicks([0.5], 2.0), bpm)


@pytest.mark.parametrize("audio", [silence(3.0), tone(220, 3.0), clicks([0.5], 2.0)], ids=["silence", "tone", "one"])
def test_where_there_are_no_beats(audio: Audio) -> None:
    found = heard(audio)
    assert found.tempo == 0
    assert len(found.beats) == 0
    assert "no beats" in found.note
    assert not found.features["beat"].any()
    given = heard(audio, 100)
    assert np.diff(given.beats) == pytest.approx(0.6)


def test_silence_after_the_music_has_no_beats() -> None:
    found = heard(joined(clicks(click_times(120, 8.0), 8.0), silence(6.0)))
    assert found.beats[-1] == pytest.approx(7.5, abs=1 / 24)


def test_long_sounds_do_not_drift() -> None:
    times = click_times(117.3, 200.0, first=0.2)
    found = heard(clicks(times, 200.0))
    assert missed(times, found.beats, 0.02) == missed(times, found.onsets, 0.02) == 0


TEMPI = {
    "Kevin_MacLeod_-_Vibe_Ace.ogg": 129.5,
    "calm_acoustic_1.opus": 68,
    "happy_electronic_1.opus": 123,
    "loop_garzul.flac": 120,
    "loop_breakbeat.flac": 126,
}


@pytest.mark.assets
@needs_assets
@pytest.mark.parametrize("name", TEMPI)
def test_tempo_of_real_music(name: str) -> None:
    audio = read_sound(MUSIC / name)
    found = heard(audio)
    right = found.tempo == pytest.approx(TEMPI[name], rel=0.01)
    assert right or any(
        found.tempo * ratio == pytest.approx(TEMPI[name], rel=0.01) and f"{found.tempo * ratio:.0f} BPM" in found.note
        for ratio in (0.5, 2.0)
    )
    given = heard(audio, TEMPI[name])
    assert given.tempo == TEMPI[name]
    assert given.note == ""
    assert len(given.beats) == pytest.approx(audio.duration * TEMPI[name] / 60, abs=4)


@pytest.mark.assets
@needs_assets
def test_beats_of_a_real_loop() -> None:
    found = heard(read_sound(MUSIC / "loop_garzul.flac"))
    assert len(found.beats) == 16
    assert np.abs(found.beats - np.arange(16) * 0.5).max() < 1 / 24


def test_nothing_is_printed_and_devices_do_not_matter() -> None:
    audio = clicks(click_times(90, 4.0), 4.0)
    tracked = Audio(audio.samples.double().requires_grad_(), audio.rate)
    assert np.array_equal(heard(tracked).onsets, heard(audio).onsets)
    assert torch.equal(tracked.samples.detach().float(), audio.samples)
