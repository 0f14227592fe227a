"""Sounds made for the tests: clicks at known times, tones, and both."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from vedit.clip import Audio


def click_times(bpm: float, seconds: float, first: float = 0.0) -> NDArray[np.float64]:
    return np.arange(first, seconds - 0.06, 60.0 / bpm)


def clicks(
    times: NDArray[np.float64] | list[float], seconds: float, rate: int = 22050, loud: float = 0.8, channels: int = 1
) -> Audio:
    """A tone of 1 kHz that dies away within 50 ms, beginning at each of `times`."""
    samples = np.zeros(round(seconds * rate))
    t = np.arange(round(0.05 * rate)) / rate
    click = loud * np.sin(2 * np.pi * 1000 * t) * np.exp(-t * 90)
    for time in times:
        at = round(float(time) * rate)
        piece = samples[at : at + len(click)]
        piece += click[: len(piece)]
    return Audio(torch.from_numpy(np.tile(samples, (channels, 1))).float(), rate)


def tone(hertz: float, seconds: float, rate: int = 22050, loud: float = 0.5) -> Audio:
    t = torch.arange(round(seconds * rate), dtype=torch.float64) / rate
    return Audio((loud * torch.sin(2 * torch.pi * hertz * t))[None].float(), rate)


def silence(seconds: float, rate: int = 22050) -> Audio:
    return Audio(torch.zeros(1, round(seconds * rate)), rate)


def joined(*parts: Audio) -> Audio:
    return Audio(torch.cat([part.samples for part in parts], dim=1), parts[0].rate)


def missed(truth: NDArray[np.float64], found: NDArray[np.float64], within: float) -> int:
    """How many of `truth` have none of `found` within so many seconds."""
    if not len(found):
        return len(truth)
    return int((np.abs(truth[:, None] - found).min(1) > within).sum())
