"""Attack, release, threshold, gain and smoothing."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedit.audio import envelope
from vedit.config import EnvelopeSettings
from vedit.config.merge import Layer, merge
from vedit.errors import ConfigError

PLAIN = EnvelopeSettings(audio_release=0.0)
levels = st.lists(st.floats(0.0, 1.0, width=32), min_size=1, max_size=60).map(
    lambda values: np.array(values, np.float32)
)
shapes = st.builds(
    EnvelopeSettings,
    audio_attack=st.floats(0, 2),
    audio_release=st.floats(0, 2),
    audio_threshold=st.floats(0, 0.95),
    audio_gain=st.floats(0, 10),
    audio_smoothing=st.floats(0, 2),
)


def test_without_shape_a_curve_is_itself() -> None:
    curve = np.random.default_rng(0).random(50).astype(np.float32)
    assert envelope(curve, Fraction(24), PLAIN) == pytest.approx(curve, abs=1e-6)


@given(levels, shapes, st.integers(1, 60))
def test_it_stays_in_range_and_does_not_look_ahead(curve: np.ndarray, shape: EnvelopeSettings, cut: int) -> None:
    result = envelope(curve, Fraction(24), shape)
    assert result.dtype == np.float32
    assert result.shape == curve.shape
    assert result.min() >= 0
    assert result.max() <= 1
    assert np.array_equal(envelope(curve[:cut], Fraction(24), shape), result[:cut])


@given(levels, shapes, st.sampled_from([2, 3, 5]))
def test_it_does_not_depend_on_the_rate(curve: np.ndarray, shape: EnvelopeSettings, times: int) -> None:
    """Each value held for several shorter frames: the same at the same moments. (Smoothing follows the held result of
    the first stage, so it is not exact to the bit.)"""
    if shape.audio_smoothing:
        shape = shape.model_copy(update={"audio_attack": 0.0, "audio_release": 0.0})
    slow = envelope(curve, Fraction(24), shape)
    fast = envelope(np.repeat(curve, times), Fraction(24) * times, shape)
    assert fast[times - 1 :: times] == pytest.approx(slow, abs=1e-5)


def test_release_falls_by_its_time_constant() -> None:
    curve = np.zeros(60, np.float32)
    curve[10] = 1.0
    result = envelope(curve, Fraction(24), EnvelopeSettings(audio_release=0.5))
    assert not result[:10].any()
    assert result[10] == 1
    assert result[22] == pytest.approx(math.exp(-1), abs=1e-5)
    assert (np.diff(result[10:]) < 0).all()


def test_attack_rises_by_its_time_constant() -> None:
    result = envelope(np.ones(48, np.float32), Fraction(24), EnvelopeSettings(audio_attack=0.5))
    assert result[11] == pytest.approx(1 - math.exp(-1), abs=1e-5)
    assert (np.diff(result) > 0).all()


def test_threshold_then_gain() -> None:
    curve = np.array([0.0, 0.5, 0.6, 0.75, 1.0], np.float32)
    assert envelope(curve, Fraction(24), EnvelopeSettings(audio_release=0, audio_threshold=0.5)) == pytest.approx(
        [0, 0, 0.2, 0.5, 1], abs=1e-6
    )
    doubled = envelope(curve, Fraction(24), EnvelopeSettings(audio_release=0, audio_threshold=0.5, audio_gain=2))
    assert doubled == pytest.approx([0, 0, 0.4, 1, 1], abs=1e-6)
    assert not envelope(curve, Fraction(24), EnvelopeSettings(audio_gain=0)).any()


def test_smoothing_takes_out_trembling() -> None:
    curve = (np.arange(200) % 2).astype(np.float32)
    result = envelope(curve, Fraction(24), EnvelopeSettings(audio_release=0, audio_smoothing=0.5))
    assert np.ptp(result[100:]) < 0.1
    assert result[100:].mean() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("name", ["audio_attack", "audio_release", "audio_threshold", "audio_gain", "audio_smoothing"])
@pytest.mark.parametrize("value", [-0.1, float("nan"), 1000.0])
def test_what_cannot_be(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"{name}: .*(expected|not a number)"):
        merge(EnvelopeSettings, Layer({name: value}))


def test_everything_cannot_be_below_the_threshold() -> None:
    with pytest.raises(ConfigError, match="at least 0 and below 1"):
        merge(EnvelopeSettings, Layer({"audio_threshold": 1.0}))


@pytest.mark.parametrize("curve", [np.zeros((3, 2)), np.array([0.0, np.nan])])
def test_what_is_no_curve(curve: np.ndarray) -> None:
    with pytest.raises(ConfigError, match="one row of numbers"):
        envelope(curve, Fraction(24), PLAIN)


def test_tiny_time_constants() -> None:
    assert envelope(np.ones(3, np.float32), Fraction(1, 4), EnvelopeSettings(audio_attack=5e-324)) == pytest.approx(1.0)
