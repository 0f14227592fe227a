"""A clip that shows, in their frames, the pictures that it was made of."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from vedit.flow import centres
from vedit.mapped import copied
from vedit.motion.dense import DenseFlow
from vedit.motion.spread import Spread
from vedit.motion.warp import warped

FADED = 3
"""Frames after which nothing is left of what the VAE lost of the picture: put back all at once, the next frame would be
seen to lose it."""


def keep_first(frames: Tensor, picture: Tensor, motion: DenseFlow, *, loop: bool = False) -> Tensor:
    """Frames (F, 3, H, W) with the picture (3, H, W) as their first, and what the VAE lost of it put back into the next
    ones, along the motion, less and less; in a loop also into the last ones, which lead to it."""
    lost, kept = picture - frames[0], copied(frames)
    for index in range(1, len(frames)):
        away = min(index, len(frames) - index) if loop else index
        if away < FADED:
            kept[index] = _put_back(frames[index], lost, motion.backward[index], motion.visible[index], away)
    kept[0] = picture
    return kept


def keep_pictures(frames: Tensor, pictures: Sequence[Tensor], at: Sequence[int], spread: Spread) -> Tensor:
    """Frames (F, 3, H, W) with the pictures (3, H, W) as those ``at`` their indices, and what the VAE lost of them put
    back into those around, where these have been ``spread``, less and less."""
    kept = copied(frames)
    size = (int(frames.shape[2]), int(frames.shape[3]))
    for index, which in enumerate(spread.pictures.tolist()):
        away = abs(index - at[which])
        if 0 < away < FADED:
            lost, back = pictures[which] - frames[at[which]], spread.origins[index] - centres(size, size)
            kept[index] = _put_back(frames[index], lost, back.permute(2, 0, 1), spread.seen[index], away)
    for picture, index in zip(pictures, at, strict=True):
        kept[index] = picture
    return kept


def _put_back(frame: Tensor, lost: Tensor, backward: Tensor, visible: Tensor, away: int) -> Tensor:
    """A frame (3, H, W), so many frames ``away`` from a picture, with what was ``lost`` of that (3, H, W) where it is
    ``visible`` (H, W), gone as ``backward`` (2, H, W) says."""
    return (frame + warped(lost, backward[None])[0] * visible * (1 - away / FADED)).clamp(0, 1)
