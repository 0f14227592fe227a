"""Strokes for tests, as a file would give them."""

from __future__ import annotations

import torch
from torch import Tensor

from vedit.clip.sizes import Size
from vedit.motion.strokes import Drawn

SIZE = (48, 64)


def drawn(
    tracks: Tensor,
    *,
    size: Size = SIZE,
    reach: float = 12,
    masks: tuple[Tensor | None, ...] | None = None,
    turn: Tensor | None = None,
    scale: Tensor | None = None,
    strength: Tensor | None = None,
    anchors: Tensor | None = None,
    anchor_masks: tuple[Tensor | None, ...] | None = None,
    camera: Tensor | None = None,
) -> Drawn:
    """Strokes along ``tracks`` (S, F, 2); all else is as in a file that does not speak of it."""
    count, frames = tracks.shape[:2]
    anchors = torch.zeros(0, 2) if anchors is None else anchors
    ones = torch.ones(count, frames)
    return Drawn(
        size=size,
        tracks=tracks,
        strength=ones if strength is None else strength,
        reach=torch.full((count,), float(reach)),
        masks=masks or (None,) * count,
        scale=ones if scale is None else scale,
        turn=0 * ones if turn is None else turn,
        anchors=anchors,
        anchor_reach=torch.full((len(anchors),), float(reach)),
        anchor_masks=anchor_masks or (None,) * len(anchors),
        camera=still(frames) if camera is None else camera,
        loop=False,
        names=tuple(f"stroke {index + 1}" for index in range(count)),
    )


def still(frames: int) -> Tensor:
    """A camera (F, 2, 3) that does not move."""
    return torch.eye(3)[:2].repeat(frames, 1, 1)


def line(start: tuple[float, float], end: tuple[float, float], frames: int) -> Tensor:
    """A straight track (1, F, 2)."""
    share = torch.linspace(0, 1, frames)[:, None]
    return (torch.tensor(start) + share * (torch.tensor(end) - torch.tensor(start)))[None]


def square(size: Size = SIZE) -> tuple[Tensor, Tensor]:
    """A red square of 16 pixels about (16, 24) on a grey ground, (3, H, W), and where it is (H, W) bool."""
    inside = torch.zeros(size, dtype=torch.bool)
    inside[16:32, 8:24] = True
    picture = torch.full((3, *size), 0.5) + 0.05 * torch.linspace(-1, 1, size[1])
    picture[:, inside] = torch.tensor([0.9, 0.1, 0.1])[:, None]
    return picture, inside
