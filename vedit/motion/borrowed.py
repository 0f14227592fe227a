"""The motion of one clip put onto another picture."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from vedit.clip.sizes import Size
from vedit.motion.clip_motion import ClipMotion
from vedit.motion.strokes import Drawn

NAME = "what takes on the motion"
"""What messages call the picture's thing."""


def borrowed(motion: ClipMotion, size: Size, thing: Tensor | None) -> Drawn:
    """A clip's motion as strokes: its thing's as that of a ``thing`` (H, W) bool of a picture of ``size`` (H, W), and
    its camera's.

    Lengths keep their share of the picture's diagonal, so that directions stay what they are where aspects differ.

    Args:
        motion: in as many frames as there are to be
        thing: needed where the clip has one
    """
    factor = float(np.hypot(*size) / np.hypot(*motion.size))
    frames = len(motion.way)
    tracks = torch.zeros(0, frames, 2)
    if motion.has_thing and thing is not None:
        middle = thing.nonzero().double().mean(0).flip(0)
        tracks = (middle + factor * torch.from_numpy(motion.way)).float()[None]
    count = len(tracks)
    return Drawn(
        size=size,
        tracks=tracks,
        strength=torch.ones(count, frames),
        reach=torch.full((count,), float(max(size))),
        masks=(thing,) * count,
        scale=torch.from_numpy(motion.scale).float().expand(count, frames),
        turn=torch.from_numpy(motion.turn).float().expand(count, frames),
        anchors=torch.zeros(0, 2),
        anchor_reach=torch.zeros(0),
        anchor_masks=(),
        camera=_camera(motion, size, factor),
        loop=False,
        names=(NAME,) * count,
    )


def _camera(motion: ClipMotion, size: Size, factor: float) -> Tensor:
    """(F, 2, 3): the clip's camera over a picture of another size, middle upon middle."""
    here, there = (np.array([(width - 1) / 2, (height - 1) / 2]) for height, width in (size, motion.size))
    linear, shift = motion.camera[:, :, :2], motion.camera[:, :, 2]
    moved = factor * (linear @ there + shift - there) + here - linear @ here
    return torch.from_numpy(np.concatenate([linear, moved[:, :, None]], axis=2)).float()
