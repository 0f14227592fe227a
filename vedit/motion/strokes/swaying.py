"""What sways, brought to a clip: its waves in each frame, in pixels and radians."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vedit import timeline
from vedit.config import Varying
from vedit.config.fields import Range
from vedit.errors import ConfigError, VeditWarning
from vedit.motion.strokes.moments import FileMoments
from vedit.motion.strokes.regions import Found, region
from vedit.motion.strokes.scale import Scale
from vedit.motion.strokes.sways import AMPLITUDE, FREQUENCY

if TYPE_CHECKING:
    from vedit.motion.strokes.sways import Sway

Array = NDArray[np.float64]

LONG = 2.0
"""Longer sides of the picture that a wave has by default."""

FURTHEST = 0.5
"""Share of the picture's shorter side that something may sway to either side."""

OFF = 0.05
"""By what share a loop may change a frequency unsaid."""


@dataclass(frozen=True, eq=False)
class Swaying:
    """Something of a picture of H x W pixels that goes to and fro, in F frames, in K waves at once.

    Attributes:
        name: what messages call it
        mask: (H, W) bool, what sways; None where ``point`` and ``reach`` say it
        point: (2,) x and y of a point of it
        reach: pixels around that point
        root: (2,) where it is held; None where all of it sways alike
        angles: (K, F) radians that each wave has gone on since the first frame
        amplitude: (K, F) pixels that each goes to either side
        along: (2,) which way, of length 1
        lag: (2,) radians by which each wave lags, for each pixel to the right and down
        phase: radians that all waves begin at
    """

    name: str
    mask: Tensor | None
    point: Tensor
    reach: float
    root: Tensor | None
    angles: Tensor
    amplitude: Tensor
    along: Tensor
    lag: Tensor
    phase: float

    def displaced(self, places: Tensor, share: Tensor | float = 1.0) -> Tensor:
        """How far places (..., 2) of the picture have moved in each frame (F, ..., 2), of which each takes a ``share``
        (...).

        In the first frame nothing has, and where the amplitude is 0 everything is as in the picture: what counts is how
        far a wave is from where it began.
        """
        begun = self.phase - (places - self.point) @ self.lag  # (...)
        shape = (-1, *[1] * begun.ndim)
        gone = torch.zeros(self.angles.shape[1], *begun.shape)
        for angles, amplitude in zip(self.angles, self.amplitude, strict=True):
            gone += amplitude.view(shape) * (torch.sin(begun + angles.view(shape)) - torch.sin(begun))
        return (gone * share)[..., None] * self.along

    def in_frames(self, frames: Sequence[int]) -> Swaying:
        """The same in some of the frames."""
        chosen = list(frames)
        return replace(self, angles=self.angles[:, chosen], amplitude=self.amplitude[:, chosen])


def swaying(
    sway: Sway,
    name: str,
    reach: float,
    scale: Scale,
    moments: FileMoments,
    loop: bool,
    found: Found | None = None,
) -> Swaying:
    """What a file says of something that sways, in a clip.

    Args:
        name: what messages call it
        reach: pixels around a point without a radius
        loop: whether each wave has to end where it began: then it goes to and fro a whole number of times
        found: as for ``region``

    Raises:
        ConfigError: for waves that the frames are too few to show, or wider than half of the picture; for what needs a
            sound or beats where there are none
        MediaError: for a mask's picture that cannot be read
    """
    mask = region(sway.mask, scale, found)
    step = _steps(moments, sway.per)
    angles = np.stack([_angles(values * step, loop, name) for values in _values(sway.frequency, FREQUENCY, moments)])
    amplitude = np.stack(_values(sway.amplitude, AMPLITUDE, moments)) * scale.length(1.0)
    widest, room = float(amplitude.sum(0).max()), FURTHEST * min(scale.size)
    if widest > room:
        raise ConfigError(f"it sways {widest:.0f} pixels to either side; expected at most {room:.0f}, half a picture.")
    if mask is None:
        assert sway.point is not None
        point = torch.from_numpy(scale.points((sway.point,))[0]).float()
    else:
        point = mask.nonzero().float().mean(0).flip(0)
    root = None if sway.root is None else torch.from_numpy(scale.points((sway.root,))[0]).float()
    return Swaying(
        name=name,
        mask=mask,
        point=point,
        reach=reach if sway.radius is None else scale.length(sway.radius),
        root=root,
        angles=torch.from_numpy(angles).float(),
        amplitude=torch.from_numpy(amplitude).float(),
        along=_direction(sway.direction),
        lag=_direction(sway.wave_direction) * (0.0 if sway.wave == "none" else 2 * math.pi / _length(sway, scale)),
        phase=math.radians(sway.phase),
    )


def _length(sway: Sway, scale: Scale) -> float:
    """Of the wave, in pixels."""
    return LONG * max(scale.size) if sway.wave is None else scale.length(float(sway.wave))


def _direction(degrees: float) -> Tensor:
    """(2,) x and y of length 1; 0 degrees is to the right, 90 down."""
    return torch.tensor([math.cos(math.radians(degrees)), math.sin(math.radians(degrees))])


def _values(every: Sequence[Varying], between: Range, moments: FileMoments) -> list[Array]:
    """What each of some settings is in each frame (F,)."""
    return [np.array(timeline.read(each).values(moments, low=between.low, high=between.high)) for each in every]


def _steps(moments: FileMoments, per: str) -> Array:
    """(F,) seconds, or beats, from each frame to the next."""
    if per == "second":
        return np.full(moments.frames, 1 / float(moments.rate))
    if moments.beats is None:
        raise ConfigError("it is counted by beats, and there are none; give a sound with --audio, or the --bpm.")
    between = np.diff(np.array(moments.beats, np.float64))
    return np.append(between, between.mean() if len(between) else 0.0)


def _angles(gone: Array, loop: bool, name: str) -> Array:
    """(F,) radians that a wave has gone on, which goes so many times (F,) to and fro from each frame to the next.

    Raises ConfigError where the frames are too few to show it.
    """
    whole = float(gone.sum())
    if loop and whole > 0:
        times = max(1, round(whole))
        if abs(whole / times - 1) > OFF:
            count = "once" if times == 1 else f"{times} times"
            warnings.warn(
                f"{name}: of its to and fro {whole:.1f} would fit into the loop; it goes {count}.",
                VeditWarning,
                stacklevel=2,
            )
        gone = gone * (times / whole)
    if len(gone) > 1 and gone.max() >= 0.5:
        raise ConfigError(
            f"it goes to and fro {gone.max():.2f} times from one frame to the next, and frames show less than half; "
            "lower its frequency, or take more frames per second."
        )
    return 2 * np.pi * np.concatenate([[0.0], np.cumsum(gone[:-1])])
