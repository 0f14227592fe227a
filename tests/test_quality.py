"""How well a clip is kept, in decibels, and what is said where that is poor."""

from __future__ import annotations

import warnings

import pytest
import torch

from vedit import quality
from vedit.errors import VeditWarning


def test_a_poor_reconstruction_is_told_with_advice() -> None:
    good, poor = quality.Fidelity(30.0, 29.0), quality.Fidelity(25.0, 20.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not quality.warn_if_poor(quality.Fidelity(27.5, 20.0), good, prompted=False, tuned=False)
    with pytest.warns(VeditWarning, match=r"25\.0 dB.*keeps 30\.0.*--steps.*--source-prompt.*--tune"):
        assert quality.warn_if_poor(poor, good, prompted=False, tuned=False)
    with pytest.warns(VeditWarning, match=r"take more --steps\.$"):
        assert quality.warn_if_poor(poor, good, prompted=True, tuned=True)
    with pytest.warns(VeditWarning):
        assert quality.warn_if_poor(quality.Fidelity(17.0, 1.0), quality.Fidelity(19.0, 1.0), prompted=True, tuned=True)


def test_fidelity_is_in_decibels() -> None:
    black = torch.zeros(2, 3, 4, 4)
    assert quality.fidelity(black, black) == quality.Fidelity(100.0, 100.0)
    grey = torch.stack([black[0], black[1] + 0.1])
    found = quality.fidelity(grey, black)
    assert found.worst == pytest.approx(20.0, abs=1e-4)
    assert found.db == pytest.approx(23.01, abs=1e-2)
    assert quality.fidelity(black * float("nan"), black).db != 100.0
