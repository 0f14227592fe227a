"""G, the next frame: what the ControlNet `motion` is shown, and how it becomes a condition.

MCDiff's second stage (Chen et al. 2023) is a diffusion model over the frame that follows, given a frame and its dense
flow on further input channels. Here it is a ControlNet beside a frozen model, so that all that is put on that model
keeps working; and it is shown the frame moved along the flow already. One set of weights draws the next frame of a
roll-out from the last one, and each frame of a clip from its first.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vedit.condition import Condition
from vedit.entrances.residuals import AddResiduals
from vedit.motion.warp import warped

if TYPE_CHECKING:
    from vedit.backbone.control import ControlNet
    from vedit.backbone.model import Backbone

KIND = "motion"
"""What the ControlNet is called among others."""

CHANNELS = 6
"""Of what it is shown."""


def motion_pictures(frames: Tensor, backward: Tensor, visible: Tensor) -> Tensor:
    """What the ControlNet is shown (F, 6, H, W): another frame moved, 0 where nothing of it is seen; 1 where it is; and
    how far away it lies there, in units of the longer side.

    Args:
        frames: (3, H, W) in [0, 1], or one for each (F, 3, H, W)
        backward: (F, 2, H, W) how far away what each pixel shows lies in that frame, in pixels
        visible: (F, H, W) whether it is seen there, bool or 0 and 1
    """
    seen = visible[:, None].to(backward)
    moved = warped(frames, backward).clamp(0, 1)
    return torch.cat([moved * seen, seen, backward / max(backward.shape[2:]) * seen], dim=1)


def load_motion_control(folder: Path, backbone: Backbone) -> ControlNet:
    """The ControlNet in a folder. Raises WeightsError where it is none, or does not fit the model."""
    from vedit.backbone.control import load_controlnet  # with diffusers, which takes seconds to import

    return load_controlnet(KIND, str(folder), backbone, CHANNELS)


def motion_condition(net: ControlNet, pictures: Tensor) -> Condition:
    """What ``pictures`` (F, 6, H, W) ask of each frame, throughout the steps."""
    return Condition(AddResiduals(partial(net, pictures)), torch.ones(len(pictures)))
