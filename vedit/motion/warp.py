"""Pictures moved along a dense flow, without a model: crude, but where things are to be."""

from __future__ import annotations

import cv2
import torch
import torch.nn.functional as F
from torch import Tensor

from vedit.flow import centres
from vedit.motion.dense import DenseFlow

FILL_RADIUS = 3
"""Pixels around a hole that its filling looks at."""

LEAST_HELD = 0.05
"""How firmly a pixel is held from which on it is not part of the background."""


def warped(picture: Tensor, backward: Tensor) -> Tensor:
    """Pictures whose pixels lie in another.

    Args:
        picture: (C, H, W), or one for each (F, C, H, W)
        backward: (F, 2, H, W) how far away (x, y), in pixels, what each pixel shows lies in it

    Returns:
        (F, C, H, W), bicubic; what lies outside is as at the border.
    """
    height, width = picture.shape[-2:]
    places = centres((height, width), (height, width)).to(backward) + backward.permute(0, 2, 3, 1)
    grid = (places + 0.5) * torch.tensor([2 / width, 2 / height]).to(backward) - 1
    frames = picture.expand(len(backward), *picture.shape[-3:])
    return F.grid_sample(frames, grid, mode="bicubic", padding_mode="border", align_corners=False)


def background(picture: Tensor, held: Tensor) -> Tensor:
    """A picture (3, H, W) in [0, 1] with what strokes hold, by ``held`` (H, W) in [0, 1], taken away, and filled in.

    Source: Telea 2004, in OpenCV.
    """
    hole = F.max_pool2d((held > LEAST_HELD).float()[None], 2 * FILL_RADIUS + 1, stride=1, padding=FILL_RADIUS)[0].bool()
    if not hole.any() or hole.all():
        return picture
    pixels = picture.mul(255).round().byte().permute(1, 2, 0).contiguous().numpy()
    filled = cv2.inpaint(pixels, hole.byte().numpy(), FILL_RADIUS, cv2.INPAINT_TELEA)
    return torch.where(hole, torch.from_numpy(filled).permute(2, 0, 1).float() / 255, picture)


def crude_animation(picture: Tensor, flow: DenseFlow) -> Tensor:
    """A picture (3, H, W) in [0, 1] cut and dragged along a flow: (F, 3, H, W); what is uncovered is filled in.

    Source: the motion signal of Time-to-Move, Singer et al. 2025, section 3.
    """
    moved = warped(picture, flow.backward)
    behind = warped(background(picture, flow.held), flow.backward)
    return torch.where(flow.visible[:, None], moved, behind).clamp(0, 1)
