"""Sound, and where it came from."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from torch import Tensor

from vedit.clip.arrays import kind_of


@dataclass(frozen=True, eq=False)
class Audio:
    """Sound: `samples` (C, L) float32 in [-1, 1] at `rate` Hz; sample 0 sounds when frame 0 is shown."""

    samples: Tensor
    rate: int

    def __post_init__(self) -> None:
        if not isinstance(self.samples, Tensor):
            raise TypeError(f"a sound's samples are a tensor (C, L), not {kind_of(self.samples)}")
        if self.samples.ndim != 2 or self.samples.shape[0] < 1 or self.rate < 1:
            raise ValueError(f"audio needs samples (C, L) and a rate, not {tuple(self.samples.shape)} at {self.rate}")

    def __repr__(self) -> str:
        channels = {1: "mono", 2: "stereo"}.get(self.samples.shape[0], f"{self.samples.shape[0]} channels")
        return f"Audio({self.duration:.2f} s, {self.rate} Hz, {channels})"

    @property
    def duration(self) -> float:
        """Seconds."""
        return float(self.samples.shape[1] / self.rate)


@dataclass(frozen=True)
class AudioOrigin:
    """Where a clip's sound came from: `path`, from `start` (seconds on that file's own clock) for `duration` s."""

    path: Path
    start: Fraction
    duration: Fraction
