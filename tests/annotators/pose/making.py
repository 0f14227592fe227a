"""Figures and walks whose joints are known."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from vedit.annotators.pose.keypoints import Array, Keypoints

STANDING = np.array(
    [
        (0, -40), (0, -28), (-12, -27), (-16, -12), (-18, 2), (12, -27), (16, -12), (18, 2),
        (-7, 5), (-8, 25), (-8, 45), (7, 5), (8, 25), (8, 45), (-3, -43), (3, -43), (-6, -41), (6, -41),
    ],
    dtype=float,
)  # fmt: skip
"""Seen from the front: (18, 2) in pixels about the middle of the body."""


def keypoints(points: Array, size: tuple[int, int] = (128, 128), rate: int = 25, score: float = 0.9) -> Keypoints:
    """Points (F, P, 18, 2), all as sure."""
    return Keypoints(points, np.full(points.shape[:3], score), size, Fraction(rate))


def walk(frames: int, start: tuple[float, float] = (40, 64), step: tuple[float, float] = (0, 0)) -> Array:
    """(F, 18, 2): somebody who glides on by ``step`` pixels a frame."""
    way = np.array(start) + np.arange(frames)[:, None] * np.array(step)
    return way[:, None] + STANDING
