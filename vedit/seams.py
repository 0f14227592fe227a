"""What shows of the windows that a long clip was edited in: jumps where they met, and colours that drift."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from vedit.clip.sizes import Size
from vedit.flow import Flow, centres, sample
from vedit.mapped import CHUNK, let_go
from vedit.shots import Shots
from vedit.windows import Windows, views

SHOWS = 1.5
"""Times the usual change from frame to frame from which on a seam may show."""

OUTLIER = 3.5
"""Modified z-score from which on a jump stands out among the others (Iglewicz & Hoaglin 1993, chapter 3)."""

UNSEEN = 1 / 255
"""Smallest change that a picture of 8 bits holds: what is usually less counts as that."""

WORST = 3
"""Seams that are told of."""


@dataclass(frozen=True)
class Seam:
    """A place where windows met.

    Attributes:
        frame: the index of the first frame behind it
        ratio: how many times more the edit changes there than it mostly does from frame to frame
        shows: whether that stands out among all its frames
    """

    frame: int
    ratio: float
    shows: bool


@dataclass(frozen=True)
class Seams:
    """What shows of windows.

    Attributes:
        worst: the seams with the largest ratios, the worst first
        median: of the ratios of all seams
        drift: of colours, CIE L*a*b* a second, of what was to be kept; of all of the picture where nothing was
    """

    worst: tuple[Seam, ...]
    median: float
    drift: float


def met(windows: Windows, shots: Shots, frames: int, steps: Sequence[int]) -> set[int]:
    """Where windows met in any of the ``steps`` of the whole schedule: the indices of the first frames behind."""
    seen = (shot for step in steps for shot in views(windows, shots, frames, step))
    return {window.start for shot in seen for window in shot[1:]}


def jumps(edited: Tensor, source: Tensor, flow: Flow, mask: Tensor | None) -> Tensor:
    """How much what an edit does to a clip changes from each frame to the next, along the clip's own motion: (F - 1,).

    The mean, over the pixels that are seen in both frames and that the edit may change, of the absolute difference of
    ``edited`` less ``source``.

    Args:
        edited, source: (F, 3, H, W) in [0, 1]
        flow: of the source
        mask: (F, 1, h, w) where the edit may happen; None for everywhere
    """
    size = int(source.shape[2]), int(source.shape[3])
    places, found = centres(size, size), []
    for index in range(len(source) - 1):
        if index % CHUNK == 0:
            let_go(edited, source, flow.backward, flow.appeared)
        before, after = (edited[each] - source[each] for each in (index, index + 1))
        came_from = places + flow.backward[index].permute(1, 2, 0)
        gap = (after - sample(before[None], came_from[None])[0]).abs().mean(0)
        both = ~flow.appeared[index] & _open(mask, index + 1, size)
        found.append(gap[both].mean() if both.any() else gap.new_zeros(()))
    return torch.stack(found)


def seams(changes: Tensor, shots: Shots, where: Collection[int]) -> list[Seam]:
    """The seams in front of the frames ``where`` windows met, the worst first.

    Args:
        changes: from each frame to the next (F - 1,), as ``jumps`` has them
        shots: of the clip; from one to the next nothing is compared
    """
    found = []
    for span in shots.spans(len(changes) + 1):
        own = changes[span.start : span.stop - 1]  # that of frame i stands at i - 1
        if not len(own):
            continue
        usual = own.median()
        spread = (own - usual).abs().median().clamp(min=1e-9)
        for frame in (each for each in where if span.start < each < span.stop):
            jump = changes[frame - 1]
            ratio = float(jump.clamp(min=UNSEEN) / usual.clamp(min=UNSEEN))
            stands_out = bool(0.6745 * (jump - usual) / spread > OUTLIER)
            found.append(Seam(frame, ratio, ratio > SHOWS and stands_out))
    return sorted(found, key=lambda seam: -seam.ratio)


def drift(edited: Tensor, source: Tensor, rate: Fraction, shots: Shots, mask: Tensor | None) -> float:
    """How far colours drift in a second: the length of the slope of mean CIE L*a*b*, ``edited`` less ``source``, by
    least squares with a level of its own for each shot.

    Args:
        edited, source: (F, 3, H, W) in [0, 1]
        mask: (F, 1, h, w) where the edit may happen; what it leaves alone is looked at, and all where that is nothing
    """
    size = int(source.shape[2]), int(source.shape[3])
    differences, times = [], []
    for index in range(len(source)):
        if index % CHUNK == 0:
            let_go(edited, source)
        kept = ~_open(mask, index, size)
        kept = kept if kept.any() else torch.ones_like(kept)
        differences.append((_lab(edited[index]) - _lab(source[index]))[kept.numpy()].mean(0))
        times.append(float(index / rate))
    rise, spread = np.zeros(3), 0.0
    for span in shots.spans(len(source)):
        apart = np.array(times[span]) - np.mean(times[span])
        rise += apart @ np.array(differences[span])
        spread += float(apart @ apart)
    return float(np.linalg.norm(rise / spread)) if spread else 0.0


def _open(mask: Tensor | None, index: int, size: Size) -> Tensor:
    """Which pixels (H, W) of a frame a mask on latents opens at all."""
    if mask is None:
        return torch.ones(size, dtype=torch.bool)
    return functional.interpolate((mask[index, None] > 0).float(), size=size, mode="nearest")[0, 0] > 0


def _lab(frame: Tensor) -> np.ndarray:
    """(H, W, 3) of a frame (3, H, W) in [0, 1]."""
    import cv2

    pixels = np.ascontiguousarray(frame.clamp(0, 1).float().permute(1, 2, 0).numpy())
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2Lab))
