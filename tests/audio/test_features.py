"""Features per frame: when, how much, and of what sounds."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.audio.making import click_times, clicks, joined, silence, tone
from vedit.audio import FEATURES, AudioFeatures, extract_features
from vedit.clip import Audio
from vedit.errors import ConfigError, MediaError
from vedit.timeline import CHROMA

NTSC = Fraction(30000, 1001)


def whole(audio: Audio, rate: Fraction = Fraction(24)) -> AudioFeatures:
    return extract_features(audio, rate, max(1, int(audio.duration * rate)))


def same(one: AudioFeatures, other: AudioFeatures, frames: int) -> bool:
    return all(np.array_equal(one.features[name][:frames], other.features[name][:frames]) for name in FEATURES)


def chroma(heard: AudioFeatures) -> NDArray[np.float32]:
    return np.stack([heard.features[name] for name in CHROMA], axis=1)


def test_all_features_are_there_and_in_range() -> None:
    heard = whole(joined(clicks(click_times(110, 3.0), 3.0), tone(330, 1.0), silence(1.0)))
    assert set(heard.features) == set(FEATURES)
    assert len(heard) == 120
    for curve in heard.features.values():
        assert curve.dtype == np.float32
        assert curve.min() >= 0
        assert curve.max() <= 1


@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.integers(1, 8), min_size=3, max_size=12),
    st.sampled_from([Fraction(8), Fraction(24), Fraction(25), NTSC, Fraction(60)]),
    st.floats(-1.0, 1.0),
)
def test_onsets_lie_in_their_frames(gaps: list[int], rate: Fraction, start: float) -> None:
    times = 1.1 + np.cumsum(gaps) * 0.13
    audio = clicks(times, float(times[-1]) + 0.3)
    heard = extract_features(audio, rate, 20, start=start)
    frames = np.flatnonzero(heard.features["onset"])
    expected = (times - start) * float(rate)
    # The onset is known to about 10 ms, which near an edge can be the next frame.
    slack = 0.012 * float(rate)
    inside = expected[expected + slack < 20]
    assert all(((frames >= at - slack - 1) & (frames <= at + slack)).any() for at in inside)
    assert all((np.abs(expected - frame - 0.5) <= 0.5 + slack).any() for frame in frames)


def test_long_sounds_stay_in_step() -> None:
    """The edge between silence and sound, five minutes in, is in the right frame."""
    edge = 303.5
    heard = extract_features(joined(silence(edge, 8000), tone(500, 2.0, 8000)), NTSC, int(305 * NTSC))
    first = int(np.flatnonzero(heard.features["loudness"] > 0.5)[0])
    assert abs(first / NTSC - Fraction(edge)) <= 1 / NTSC
    assert heard.features["loudness"][first + 1] > 0.9
    assert heard.features["loudness"][first - 2] < 0.05


@pytest.mark.parametrize("frames", [1, 31, 48, 500])
def test_more_frames_do_not_change_the_first(frames: int) -> None:
    audio = joined(clicks(click_times(97, 3.0, first=0.2), 3.0), tone(200, 2.0))
    long = extract_features(audio, Fraction(24), 480)
    assert same(extract_features(audio, Fraction(24), frames), long, min(frames, 480))
    some = min(frames, 480)
    assert np.array_equal(
        extract_features(audio, Fraction(24), frames).beat_positions[:some], long.beat_positions[:some]
    )


def test_an_excerpt_is_the_whole_from_there_on() -> None:
    audio = clicks(click_times(96, 6.0, first=0.1), 6.0)
    long = extract_features(audio, Fraction(24), 144)
    part = extract_features(audio, Fraction(24), 48, start=2.0)
    for name in FEATURES:
        assert np.array_equal(part.features[name], long.features[name][48:96]), name
    assert part.beats == pytest.approx(long.beats - 2.0)
    later = extract_features(audio, Fraction(24), 48, start=-0.5)
    assert not later.features["loudness"][:12].any()
    assert np.array_equal(later.features["loudness"][12:], long.features["loudness"][:36])


def test_a_sound_that_ends_before_the_clip() -> None:
    heard = extract_features(tone(440, 1.0), Fraction(24), 48)
    assert heard.features["loudness"][:24].min() > 0.5
    for curve in heard.features.values():
        assert not curve[24:].any()


def test_silence_stays_silent() -> None:
    heard = whole(silence(2.0))
    assert not any(curve.any() for curve in heard.features.values())


@pytest.mark.parametrize("quieter", [10.0, 100.0])
def test_quiet_masters_use_the_range_too(quieter: float) -> None:
    loud = joined(clicks(click_times(120, 3.0), 3.0), tone(300, 1.0), tone(80, 1.0))
    quiet = Audio(loud.samples / quieter, loud.rate)
    one, other = whole(quiet).features, whole(loud).features
    for name in ("loudness", "percussive", "bass", "mid"):
        assert one[name].max() == pytest.approx(1.0, abs=0.02)
        assert one[name] == pytest.approx(other[name], abs=0.02)


def test_what_cannot_be_heard_is_not_blown_up() -> None:
    noise = torch.randn(1, 44100, generator=torch.manual_seed(0)) * 1e-5
    assert whole(Audio(noise, 22050)).features["loudness"].max() < 0.3


@pytest.mark.parametrize(("hertz", "band"), [(80, "bass"), (1000, "mid"), (8000, "treble")])
def test_bands(hertz: float, band: str) -> None:
    parts = {80: tone(80, 1.0), 1000: tone(1000, 1.0), 8000: tone(8000, 1.0)}
    heard = whole(joined(*parts.values()))
    begin = 24 * list(parts).index(int(hertz))
    inside = slice(begin + 2, begin + 22)
    assert heard.features[band][inside].min() > 0.9
    for other in {"bass", "mid", "treble"} - {band}:
        assert heard.features[other][inside].max() < 0.1
    order = heard.features["centroid"]
    assert order[12] < order[36] < order[60]


def test_percussion_is_parted_from_what_is_held() -> None:
    held = tone(330, 4.0, loud=0.3)
    struck = clicks([2.0, 2.5, 3.0, 3.5], 4.0)
    heard = whole(Audio(held.samples + struck.samples, held.rate))
    percussive = heard.features["percussive"]
    assert percussive[4:44].max() < 0.25
    assert all(percussive[frame] > 0.8 for frame in (48, 60, 72, 84))
    assert heard.features["loudness"][4:44].min() > 0.5


@pytest.mark.parametrize(("hertz", "pitch"), [(261.63, 0), (440.0, 9), (138.59, 1), (987.77, 11)])
def test_chroma(hertz: float, pitch: int) -> None:
    heard = whole(tone(hertz, 2.0))
    assert (chroma(heard)[4:44].argmax(1) == pitch).all()
    assert chroma(heard)[4:44].max(1) == pytest.approx(1.0)
    assert np.median(np.sort(chroma(heard)[4:44], axis=1)[:, -4]) < 0.2


def test_the_beat_falls_evenly() -> None:
    audio = clicks(click_times(60, 8.0, first=0.5), 8.0)
    heard = whole(audio)
    curve = heard.features["beat"]
    assert not curve[:11].any()
    beat = int(np.flatnonzero(curve == 1)[0])
    assert beat in (11, 12)
    assert curve[beat : beat + 23] == pytest.approx(1 - np.arange(23) / 24, abs=0.06)


def test_positions_in_beats() -> None:
    audio = clicks(click_times(120, 8.0, first=1.0), 8.0)
    positions = extract_features(audio, Fraction(24), 240).beat_positions
    assert positions == pytest.approx((np.arange(240) / 24 - 1.0) / 0.5, abs=0.05)
    assert (np.diff(positions) > 0).all()
    # From 4.0 on, a beat of the sound, it is counted anew.
    assert extract_features(audio, Fraction(24), 24, start=4.0).beat_positions[0] == pytest.approx(0.0, abs=0.05)
    with pytest.raises(ConfigError, match="no beats"):
        _ = whole(silence(1.0)).beat_positions


ODD = {
    "one sample": Audio(torch.full((1, 1), 0.7), 44100),
    "no samples": Audio(torch.zeros(2, 0), 48000),
    "8 kHz": clicks(click_times(120, 3.0), 3.0, 8000),
    "96 kHz, 6 channels": clicks(click_times(120, 3.0), 3.0, 96000, channels=6),
    "clipped": Audio(clicks(click_times(120, 3.0), 3.0).samples.mul(40).clamp(-1, 1), 22050),
    "1 Hz": Audio(torch.rand(1, 5), 1),
    "constant": Audio(torch.ones(1, 22050), 22050),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_sounds(name: str) -> None:
    heard = extract_features(ODD[name], Fraction(24), 72)
    assert all(np.isfinite(curve).all() and curve.max() <= 1 for curve in heard.features.values())
    if name in ("8 kHz", "96 kHz, 6 channels", "clipped"):
        assert heard.tempo == pytest.approx(120, rel=0.01)


def test_channels_out_of_phase_are_heard() -> None:
    wave = tone(440, 1.0).samples
    heard = whole(Audio(torch.cat([wave, -wave]), 22050))
    assert heard.features["loudness"][2:22].min() > 0.9


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_samples_that_are_no_numbers_are_told(value: float) -> None:
    samples = torch.zeros(2, 44100)
    samples[1, 11025] = value
    with pytest.raises(MediaError, match=r"no numbers, the first at 0\.250 s"):
        whole(Audio(samples, 44100))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"frames": 0}, "0 frames"),
        ({"rate": Fraction(0)}, "rate is 0"),
        ({"start": 2.0}, "the sound ends at 2 s"),
        ({"start": float("nan")}, "start is nan"),
    ],
)
def test_what_cannot_be_asked(changes: dict[str, float], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        extract_features(**{"audio": tone(440, 2.0), "rate": Fraction(24), "frames": 24, **changes})  # type: ignore[arg-type]


def test_long_sounds_are_heard_in_blocks_without_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    audio = joined(clicks(click_times(105, 4.0), 4.0), tone(220, 1.0))
    in_one = whole(audio)
    monkeypatch.setattr("vedit.audio.spectra._BLOCK", 37)
    in_many = whole(audio)
    for name in FEATURES:
        assert in_many.features[name] == pytest.approx(in_one.features[name], abs=1e-3), name
    assert in_many.beats == pytest.approx(in_one.beats, abs=1e-6)


def test_it_is_written_as_json(tmp_path: Path) -> None:
    heard = extract_features(clicks(click_times(120, 3.0), 3.0), NTSC, 60)
    heard.save(tmp_path / "h.json")
    content = json.loads((tmp_path / "h.json").read_text(encoding="utf-8"))
    assert (content["version"], content["rate"], content["frames"]) == (1, "30000/1001", 60)
    assert content["tempo"] == pytest.approx(heard.tempo, abs=1e-3)
    assert content["beats"] == pytest.approx(heard.beats, abs=1e-4)
    assert content["onsets"] == pytest.approx(heard.onsets, abs=1e-4)
    assert set(content["features"]) == set(FEATURES)
    for name in FEATURES:
        assert content["features"][name] == pytest.approx(heard.features[name], abs=1e-4)
    with pytest.raises(MediaError, match="exists already"):
        heard.save(tmp_path / "h.json")
    with pytest.raises(MediaError, match=r"written as \.json"):
        heard.save(tmp_path / "h.txt")


def test_looking_at_the_package_is_quick() -> None:
    code = "import sys, vedit.audio; print([m for m in ('librosa', 'scipy', 'numba') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
