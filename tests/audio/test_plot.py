"""The picture of what was heard."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.audio.making import click_times, clicks, silence
from vedit.audio import FEATURES, AudioFeatures, extract_features
from vedit.audio.plot import _BEAT, _CURVE, _ONSET, _WAVE, _WAVE_CORE, draw, legend
from vedit.errors import ConfigError, MediaError


@pytest.mark.parametrize("feature", FEATURES)
def test_nothing_in_the_legend_is_named_twice(feature: str) -> None:
    names = [name for name, _ in legend(feature)]
    assert feature in names
    assert len(set(names)) == len(names)


AUDIO = clicks(click_times(60, 4.0, first=0.5), 4.0)


@pytest.fixture(scope="module")
def heard() -> AudioFeatures:
    return extract_features(AUDIO, Fraction(24), 96)


def columns(picture: np.ndarray, colour: tuple[int, int, int], rows: slice) -> np.ndarray:
    """Which columns below the title have a colour."""
    return np.flatnonzero((picture[rows] == colour).all(-1).any(0))


def drawn(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def test_beats_onsets_and_wave_are_where_they_sound(heard: AudioFeatures, tmp_path: Path) -> None:
    draw(AUDIO, heard, heard.features["loudness"], tmp_path / "p.png", name="loudness", size=(1048, 400))
    picture = drawn(tmp_path / "p.png")
    assert picture.shape == (400, 1048, 3)
    below, loud = slice(48, 400), slice(48, 110)
    expected = 24 + np.array([0.5, 1.5, 2.5, 3.5]) * 250
    for colour in (_BEAT, _ONSET):
        found = columns(picture, colour, below)
        assert all(np.abs(found - at).min() <= 4 for at in expected)
        assert all(np.abs(expected - at).min() <= 4 for at in found)
    wave = np.union1d(columns(picture, _WAVE, loud), columns(picture, _WAVE_CORE, loud))
    assert all(np.abs(wave - at).min() <= 4 for at in expected)
    assert all(((at >= expected - 2) & (at <= expected + 15)).any() for at in wave)


def test_an_excerpt_is_drawn_from_its_start(tmp_path: Path) -> None:
    part = extract_features(AUDIO, Fraction(24), 24, start=1.25)
    draw(AUDIO, part, part.features["beat"], tmp_path / "p.png", start=1.25, size=(1048, 400))
    found = columns(drawn(tmp_path / "p.png"), _WAVE, slice(48, 110))
    assert abs(int(found.min()) - (24 + 250)) <= 3


def test_the_curve_is_as_high_as_its_values(heard: AudioFeatures, tmp_path: Path) -> None:
    curve = np.linspace(0, 1, 96).astype(np.float32)
    draw(AUDIO, heard, curve, tmp_path / "p.png", size=(1048, 400))
    picture = drawn(tmp_path / "p.png")
    tops = [np.flatnonzero((picture[48:, at] == _CURVE).all(-1)).min() for at in (130, 500, 1000)]
    assert tops[0] > tops[1] > tops[2]


@pytest.mark.parametrize("size", [(320, 200), (400, 900), (2400, 300)])
def test_sizes(heard: AudioFeatures, tmp_path: Path, size: tuple[int, int]) -> None:
    draw(AUDIO, heard, heard.features["onset"], tmp_path / "p.png", size=size)
    assert drawn(tmp_path / "p.png").shape == (size[1], size[0], 3)


def test_silence_is_drawn_too(tmp_path: Path) -> None:
    nothing = silence(0.5)
    heard = extract_features(nothing, Fraction(24), 100)
    draw(nothing, heard, heard.features["loudness"], tmp_path / "p.png")
    picture = drawn(tmp_path / "p.png")
    assert not len(columns(picture, _BEAT, slice(48, None)))


def test_what_cannot_be_drawn(heard: AudioFeatures, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected 96 numbers"):
        draw(AUDIO, heard, np.zeros(95), tmp_path / "p.png")
    with pytest.raises(ConfigError, match="too small"):
        draw(AUDIO, heard, np.zeros(96), tmp_path / "p.png", size=(100, 100))
    with pytest.raises(MediaError, match="does not exist"):
        draw(AUDIO, heard, np.zeros(96), tmp_path / "none" / "p.png")
    (tmp_path / "there.png").write_bytes(b"x")
    with pytest.raises(MediaError, match="exists already"):
        draw(AUDIO, heard, np.zeros(96), tmp_path / "there.png")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["there.png"]
