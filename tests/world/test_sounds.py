"""What the world sounds like."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

import world
from world.sounds import RATE, sound


def loudness(samples: NDArray[np.float32], pieces: int) -> list[float]:
    return [float(each.std()) for each in np.array_split(samples, pieces)]


@pytest.mark.parametrize("background", world.BACKGROUNDS)
@pytest.mark.parametrize("weather", world.WEATHERS)
def test_a_seed_is_a_sound(background: world.Background, weather: world.Weather) -> None:
    steady = np.array([0.5])
    samples = sound(background, weather, steady, 1.5, seed=1)
    assert samples.shape == (1.5 * RATE,)
    assert samples.dtype == np.float32
    assert np.abs(samples).max() <= 1
    assert np.array_equal(samples, sound(background, weather, steady, 1.5, seed=1))
    assert not np.array_equal(samples, sound(background, weather, steady, 1.5, seed=2))


@pytest.mark.parametrize("weather", ["rain", "snow"])
def test_it_sounds_as_hard_as_it_falls(weather: world.Weather) -> None:
    found = loudness(sound("sand", weather, np.array([0.0, 0.25, 0.5, 0.75, 1.0]), 5, seed=3), 5)
    assert all(b > 1.15 * a for a, b in pairwise(found)), found


def test_grounds_sound_unlike_each_other() -> None:
    spectra = {}
    for ground in world.BACKGROUNDS:
        power = [np.abs(np.fft.rfft(sound(ground, "clear", np.ones(1), 2, seed))) ** 2 for seed in range(4)]
        bands = [np.sqrt(np.add.reduceat(each, np.geomspace(8, len(each) - 1, 24).astype(int))) for each in power]
        spectra[ground] = [each / np.linalg.norm(each) for each in bands]
    for ground, own in spectra.items():
        for other, theirs in spectra.items():
            if ground != other:
                assert np.mean(own, 0) @ np.mean(theirs, 0) < 0.97, (ground, other)
