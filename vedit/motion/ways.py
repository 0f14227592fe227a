"""The ways of the ground and of things through a clip: an affine map for each frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vedit.clip.sizes import Size
from vedit.flow import centres, sample
from vedit.motion.inverse import mapped

Fit = Callable[..., Any]

FEWEST = 8
"""Points that say a way."""

MISSED = 1.0
"""Pixels by which a point may miss, and still count for a way."""

RIGID = 0.02
"""By how much a thing may have grown to be aligned as one that turns alone."""

STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 1e-4)
BLUR = 5
"""Pixels of the blur under which pictures are aligned."""

AROUND, RIM = 4, 2
"""Pixels around a thing that it is aligned by, so that its edges, blurred, lie within; and by which that is judged,
since the ground goes its own way."""

CLEARLY = 0.85
"""As what is ``better`` where flow is known: figures that walk fit a little better at places where they are not."""

STAYS = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


def fitted(points: Tensor, places: Tensor, found: Tensor, *, similar: bool = False) -> Tensor | None:
    """The affine map (2, 3), or only a similar one, that takes most of the points (P, 2) to their places (P, 2), of
    those that are ``found`` (P,); None where too few are.

    Source: Fischler & Bolles 1981 (RANSAC), in OpenCV.
    """
    if int(found.sum()) < FEWEST:
        return None
    fit: Fit = cv2.estimateAffinePartial2D if similar else cv2.estimateAffine2D
    affine, _ = fit(points[found].numpy(), places[found].numpy(), method=cv2.RANSAC, ransacReprojThreshold=MISSED)
    return torch.from_numpy(affine).float() if affine is not None and _sound(affine) else None


def outwards(frames: int, key: int) -> list[tuple[int, int]]:
    """All frames but the key frame from it on to both sides, each with that which comes before it."""
    return [*((now, now - 1) for now in range(key + 1, frames)), *((now, now + 1) for now in reversed(range(key)))]


def aligned(key: Tensor, frame: Tensor, thing: Tensor, guesses: list[Tensor], better: float = 1.0) -> Tensor:
    """The way (2, 3) of a ``thing`` (H, W) from its key frame to another, both (3, H, W): the best of some guesses,
    each made better by what the two show.

    A thing of one colour, inside of which a flow finds nothing to hold on to, is aligned by its edges. What is made
    better counts where it misses less than the ``better``th of what the best guess misses.

    Source: Evangelidis & Psarakis 2008 (enhanced correlation), in OpenCV.
    """
    around = _around(thing, AROUND).byte().numpy()
    axis = _telling(key, thing)
    one, other = (np.ascontiguousarray((each.permute(1, 2, 0) @ axis).numpy()) for each in (key, frame))
    tried = []
    for guess in guesses:
        rigid = abs(float(torch.linalg.det(guess[:, :2])) ** 0.5 - 1) < RIGID
        for kind in (cv2.MOTION_TRANSLATION, *((cv2.MOTION_EUCLIDEAN,) if rigid else ())):
            found = _refined(one, other, guess.numpy(), kind, around)
            if found is not None:
                tried.append(found)
    rim = _around(thing, RIM)
    ways = [min(each, key=lambda way: _missed(key, frame, rim, way)) for each in (guesses, tried) if each]
    best = [_missed(key, frame, rim, way) for way in ways]
    return ways[-1] if best[-1] < better * best[0] else ways[0]


def _around(thing: Tensor, reach: int) -> Tensor:
    """A mask (H, W) and so many pixels around it."""
    block = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    return torch.from_numpy(cv2.dilate(thing.byte().numpy(), block)).bool()


def _refined(
    one: NDArray[np.float32], other: NDArray[np.float32], guess: NDArray[np.float32], kind: int, where: NDArray[Any]
) -> Tensor | None:
    # OpenCV's mask is of its second picture, and what it finds leads from the first to that.
    back = cv2.invertAffineTransform(guess).astype(np.float32)
    try:
        _, found = cv2.findTransformECC(other, one, back, kind, STOP, where, BLUR)
    except cv2.error:  # the two have nothing to do with each other there
        return None
    return torch.from_numpy(cv2.invertAffineTransform(np.asarray(found))).float() if _sound(found) else None


def _sound(affine: NDArray[Any]) -> bool:
    return bool(np.isfinite(affine).all()) and 0.25 < abs(float(np.linalg.det(affine[:, :2]))) < 4


def _telling(key: Tensor, thing: Tensor) -> Tensor:
    """The mixture (3,) of the colours that tells a thing from what is around it best."""
    around = _around(thing, AROUND) & ~thing
    if not around.any():
        return torch.full((3,), 1 / 3)
    gap = key[:, thing].mean(1) - key[:, around].mean(1)
    return gap / gap.norm().clamp(min=1e-3)


def _missed(key: Tensor, frame: Tensor, where: Tensor, way: Tensor) -> float:
    """How far a frame is from what the key frame shows ``where``, gone that way."""
    size: Size = (int(key.shape[1]), int(key.shape[2]))
    there = mapped(way, centres(size, size)[where])
    return float((sample(frame[None], there[None])[0] - key[:, where]).abs().mean())
