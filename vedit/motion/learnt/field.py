"""Strokes on a picture as the network that completes their flow understands them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vedit.clip.sizes import Size, fit_size, resize
from vedit.flow import centres, resized_flow
from vedit.motion.inverse import HELD
from vedit.motion.learnt.completion import FlowCompletion
from vedit.motion.learnt.points import pixels_of, sparse_flow
from vedit.motion.strokes.drawn import Drawn

AT_ONCE = 16
"""Frames in one pass."""


RIM = 1.0
"""Pixels of the network's grid around what goes along that do so too, since an outline's own are half of the ground."""


@torch.no_grad()
def held_whole(
    network: FlowCompletion,
    picture: Tensor,
    drawn: Drawn,
    points: Tensor,
    targets: Tensor,
    computed: Tensor,
    held: Tensor,
) -> Tensor:
    """How firmly each pixel of a picture is held (H, W), 0 or 1: things go along whole or not at all.

    Args:
        picture: (3, H, W) in [0, 1]
        drawn: the strokes, of which masks are shown whole
        points: (K, 2) in pixels, of strokes and anchors
        targets: (F, K, 2) where they are in each frame
        computed: (F, 2, H, W) how far each pixel would go, in pixels, as it is computed from these
        held: (H, W) how firmly each is held, likewise
    """
    size, config = drawn.size, network.config
    grid = fit_size(size, config.side, multiple=config.multiple)
    scale = torch.tensor([grid[1] / size[1], grid[0] / size[0]])
    which = pixels_of((points + 0.5) * scale - 0.5, grid, config.radius)
    flow, known = sparse_flow(which, (targets - points) * scale)
    flow, known = _with_masks(flow, known.clone(), drawn, grid, scale)
    small, before = resize(picture[None], grid), resize(held[None, None], grid)
    parts = zip(*(each.split(AT_ONCE) for each in (flow, known, resized_flow(computed, grid))), strict=True)
    firmly = torch.cat(
        [
            network(small.expand(len(some), -1, -1, -1), some, *more, before.expand(len(some), -1, -1, -1))
            for some, *more in parts
        ]
    )
    # The frames in which strokes are far from where they began say best what goes with them.
    far = (flow * known).norm(dim=1).amax((1, 2))  # (F,)
    seen = torch.einsum("f,fchw->chw", far / far.sum().clamp(min=1e-6), firmly - before)[None]
    # What is computed keeps its outlines, which the network's grid may be too coarse for.
    more = F.interpolate(seen, size=size, mode="bilinear", align_corners=False)[0, 0]
    whole = (held + more >= HELD).float()
    rim = round(RIM * max(size) / max(grid))
    return F.max_pool2d(whole[None, None], 2 * rim + 1, stride=1, padding=rim)[0, 0]


def _with_masks(flow: Tensor, known: Tensor, drawn: Drawn, grid: Size, scale: Tensor) -> tuple[Tensor, Tensor]:
    """The flow that is known on a grid, with each stroke's motion in all of its mask, and none in those of anchors."""
    pixels = (centres(grid, grid) + 0.5) / scale - 0.5  # (h, w, 2) in pixels of the picture
    for index, mask in enumerate(drawn.masks):
        if mask is not None and (inside := _shrunk(mask, grid)).any():
            arm = pixels[inside] - drawn.tracks[index, 0]  # (P, 2)
            cos, sin = (drawn.scale[index] * part(drawn.turn[index]) for part in (torch.cos, torch.sin))  # (F,)
            x, y = arm.unbind(-1)
            turned = torch.stack([torch.outer(cos, x) - torch.outer(sin, y),
                                  torch.outer(sin, x) + torch.outer(cos, y)], dim=1)  # (F, 2, P)  # fmt: skip
            gone = (drawn.pulled[index] - drawn.tracks[index, 0])[:, :, None]  # (F, 2, 1)
            flow[:, :, inside] = (gone + turned - arm.T) * scale[:, None]
            known[:, :, inside] = True
    for mask in drawn.anchor_masks:
        if mask is not None:
            inside = _shrunk(mask, grid)
            flow[:, :, inside], known[:, :, inside] = 0.0, True
    return flow, known


def _shrunk(mask: Tensor, grid: Size) -> Tensor:
    return resize(mask[None, None].float(), grid)[0, 0] > 0.5
