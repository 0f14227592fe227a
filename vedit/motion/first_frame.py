"""A clip whose first frame is the picture that it was made of."""

from __future__ import annotations

from torch import Tensor

from vedit.motion.dense import DenseFlow
from vedit.motion.warp import warped

FADED = 3
"""Frames after which nothing is left of what the VAE lost of the picture: put back all at once, the second frame would
be seen to lose it."""


def keep_first(frames: Tensor, picture: Tensor, motion: DenseFlow, *, loop: bool = False) -> Tensor:
    """Frames (F, 3, H, W) with the picture (3, H, W) as their first, and what the VAE lost of it put back into the next
    ones, along the motion, less and less; in a loop also into the last ones, which lead to it."""
    lost, kept = picture - frames[0], frames.clone()
    for index in range(1, len(frames)):
        away = min(index, len(frames) - index) if loop else index
        if away < FADED:
            put_back = warped(lost, motion.backward[index, None])[0] * motion.visible[index]
            kept[index] = (frames[index] + put_back * (1 - away / FADED)).clamp(0, 1)
    kept[0] = picture
    return kept
