"""Swaying: what strokes files let go to and fro, as a motion of a picture's pixels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vedit.clip.sizes import Size
from vedit.flow import centres
from vedit.motion.grid import CELLS, resized
from vedit.motion.inverse import FOLDED, HELD, determinant, gradients
from vedit.motion.strokes.drawn import Drawn
from vedit.motion.support import FADING, cut_at_edges, geodesic_distances, hold


@dataclass(frozen=True, eq=False)
class Swayed:
    """What sways in a picture of H x W pixels, in F frames.

    Attributes:
        moved: (F, 2, H, W) how far (x, y), in pixels
        held: (H, W) how firmly what sways holds each pixel, 0 to 1
        order: (H, W) how near it is, at least 0 and below 1: the later in the file, the nearer
        notes: what is amiss, a line each
    """

    moved: Tensor
    held: Tensor
    order: Tensor
    notes: tuple[str, ...]


def sway(drawn: Drawn, picture: Tensor | None) -> Swayed:
    """The motion of all that sways: each pixel goes to and fro along a line, in a few waves at once, whose phase
    changes evenly over the picture. Where things overlap their motions add up; an anchor holds against them.

    Args:
        drawn: in F frames of H x W pixels
        picture: (3, H, W) in [0, 1] that it is drawn on; None where there is none

    Source: the motion texture of Generative Image Dynamics, Li et al. 2024, section 4, its spectrum given instead of
    learnt.
    """
    pixels = centres(drawn.size, drawn.size)
    moved = torch.zeros(drawn.frames, 2, *drawn.size)
    held, order = torch.zeros(drawn.size), torch.zeros(drawn.size)
    free = 1 - _held_by_anchors(drawn, picture)
    notes = []
    for index, each in enumerate(drawn.sways):
        if each.mask is not None:
            firmly = each.mask.float() * free
        else:
            firmly = _around(each.point[None], torch.tensor([each.reach]), picture, drawn.size) * free
        share = firmly
        if each.root is not None:
            away = (pixels - each.root).norm(dim=-1)
            if not (firmly >= HELD).any():
                notes.append(f"{each.name}: nothing of it sways; give it a larger radius, or move the anchors.")
                continue
            share = firmly * (away / away[firmly >= HELD].amax().clamp(min=1)).clamp(max=1)
        own = each.displaced(pixels, share).permute(0, 3, 1, 2)
        if _folds(own, firmly):
            notes.append(f"{each.name}: it sways so far that the picture folds over itself; lower its amplitude.")
        moved += own
        order = torch.where(firmly >= HELD, index / len(drawn.sways), order)
        held = torch.maximum(held, firmly)
    return Swayed(moved, held, order, tuple(notes))


def _around(points: Tensor, reach: Tensor, picture: Tensor | None, size: Size) -> Tensor:
    """How firmly each pixel (H, W) is held by what lies within the ``reach`` (S,) of points (S, 2), along the
    picture."""
    share = min(1.0, CELLS / max(size))
    cells = max(1, round(size[0] * share)), max(1, round(size[1] * share))
    scale = torch.tensor([cells[1] / size[1], cells[0] / size[0]])
    pixel = float(scale.mean())
    small = None if picture is None else resized(picture[None], cells)[0]
    furthest = float(reach.max()) * pixel * FADING + 2
    distances = geodesic_distances(small, (points + 0.5) * scale - 0.5, cells, furthest) / pixel
    return cut_at_edges(resized(hold(distances, reach).amax(0)[None, None], size))


def _held_by_anchors(drawn: Drawn, picture: Tensor | None) -> Tensor:
    """How firmly anchors hold each pixel (H, W), 0 to 1."""
    held = torch.zeros(drawn.size)
    around = [index for index, mask in enumerate(drawn.anchor_masks) if mask is None]
    if around:
        held = _around(drawn.anchors[around], drawn.anchor_reach[around], picture, drawn.size)
    for mask in drawn.anchor_masks:
        held = held if mask is None else torch.maximum(held, mask.float())
    return held


def _folds(moved: Tensor, firmly: Tensor) -> bool:
    """Whether a motion (F, 2, H, W) folds the picture over itself where it holds it (H, W)."""
    area = determinant(gradients(moved))[:, firmly > 0]
    return bool(area.numel()) and float(area.min()) < FOLDED
