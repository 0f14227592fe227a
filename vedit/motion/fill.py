"""Edited key frames carried to the frames between them along the clip's own motion: crude, but where it is to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from vedit.flow import Flow
from vedit.mapped import let_go, room_for
from vedit.motion.spread import spread


@dataclass(frozen=True, eq=False)
class Filled:
    """A clip of F frames of H x W pixels, of which only key frames were edited, with the edit carried to the others.

    Attributes:
        frames: (F, 3, H, W) in [0, 1]; the key frames are as they were given
        changed: (F, H, W) bool, what is not the clip's own; in key frames all of it
    """

    frames: Tensor
    changed: Tensor


def fill(frames: Tensor, flow: Flow, edited: Tensor, at: Sequence[int]) -> Filled:
    """Carry edited key frames to the frames between them: each to those up to its neighbours, one fading into the
    other, and each alone where the other shows nothing of it (``spread``).

    Args:
        frames: of the clip (F, 3, H, W) in [0, 1]
        flow: of the clip
        edited: (K, 3, H, W) in [0, 1]
        at: the indices of the frames that they are the edits of, ascending, the clip's first and last among them
    """
    made = room_for(frames.shape, frames.dtype)
    changed = room_for((len(frames), *frames.shape[2:]), torch.bool)
    for key, frame in zip(at, edited, strict=True):
        made[key], changed[key] = frame, True
    for number, (left, right) in enumerate(pairwise(at)):
        if right == left + 1:
            continue
        stretch, between = slice(left, right + 1), slice(left + 1, right)
        pair = edited[number], edited[number + 1]
        found = spread(frames[stretch], flow.frames(left, right + 1), pair, (0, right - left))
        made[between], changed[between] = found.frames[1:-1], found.changed[1:-1]
        let_go(frames, made, changed, edited)
    return Filled(made, changed)
