"""How far a stroke reaches: along the picture, and not over its edges."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

EDGE = 0.25
"""What it costs to go from black to white, as a share of the picture's shorter side."""

FADING = 1.4
"""Times its reach at which a stroke has no hold any more."""

EDGE_CHANGE = 0.3
"""Between a pixel and its neighbours, of how firmly they are held: from there on an edge of the picture parts them, and
so does the motion, which elsewhere fades."""

RIM = 2
"""Pixels beyond such an edge that belong to the thing within."""

FIRM = 0.5
"""How firmly a pixel within such an edge is held from which on all of the thing is."""

_AROUND = ((0, 1), (1, 0), (1, 1), (1, -1))
"""Half of the eight neighbours (down, across); the others are these from the other end."""


def geodesic_distances(picture: Tensor | None, seeds: Tensor, size: tuple[int, int], furthest: float) -> Tensor:
    """The lengths of the shortest ways from some points to all cells of a picture: edges make ways long.

    Args:
        picture: (3, h, w) in [0, 1] with a pixel for each cell; None where it is not known, and all of it is even
        seeds: (S, 2) x and y in cells
        size: (h, w)
        furthest: cells from which on lengths do not matter, and are infinite

    Returns:
        (S, h, w) in cells.

    Source: Bai & Sapiro 2007, eq. 3, with steps to eight neighbours.
    """
    height, width = size
    across = torch.arange(width, dtype=torch.float32) - seeds[:, 0, None]
    down = torch.arange(height, dtype=torch.float32) - seeds[:, 1, None]
    straight = torch.hypot(across[:, None, :], down[:, :, None])
    if picture is None:
        return torch.where(straight <= furthest, straight, torch.inf)
    found = torch.where(straight <= math.sqrt(0.5), straight, torch.inf)
    nearest = straight.flatten(1).argmin(1)
    found.flatten(1).scatter_(1, nearest[:, None], straight.flatten(1).gather(1, nearest[:, None]))
    contrast = EDGE * min(size)
    costs = [(step, math.hypot(*step) + contrast * _difference(picture, step)) for step in _AROUND]
    for _ in range(math.ceil(furthest)):
        before = found
        for step, cost in costs:
            found = torch.minimum(found, _shifted(found + cost, step))
            found = torch.minimum(found, _shifted(found, (-step[0], -step[1])) + cost)
        if torch.equal(found, before):
            break
    return torch.where(found <= furthest, found, torch.inf)


def hold(distances: Tensor, reach: Tensor) -> Tensor:
    """How firmly strokes hold (S, ...), 0 to 1, at ``distances`` (S, ...) from them, for their ``reach`` (S,)."""
    share = distances / reach.clamp(min=1e-6).view(-1, *[1] * (distances.ndim - 1))
    return ((FADING - share) / (FADING - 1)).clamp(0, 1)


def cut_at_edges(firmly: Tensor) -> Tensor:
    """How firmly each pixel is held (H, W), by what a coarse grid says of it (1, 1, H, W): cut where an edge parts what
    is held from what is not, and fading elsewhere."""
    around = F.pad(firmly, (1, 1, 1, 1), mode="replicate")
    change = F.max_pool2d(around, 3, stride=1) + F.max_pool2d(-around, 3, stride=1)
    change = F.max_pool2d(change, 2 * RIM + 1, stride=1, padding=RIM)
    even = F.avg_pool2d((firmly >= FIRM).float(), 5, stride=1, padding=2, count_include_pad=False) >= 0.5
    rim = F.max_pool2d(even.float(), 2 * RIM + 1, stride=1, padding=RIM)  # an outline's pixels are half the thing's
    return torch.where(change > EDGE_CHANGE, rim, firmly)[0, 0]


def _difference(picture: Tensor, step: tuple[int, int]) -> Tensor:
    """How different (h, w) each cell is from its neighbour a step on, 0 to 1; infinite where there is none."""
    ahead = _shifted(picture, (-step[0], -step[1]))
    return torch.where(torch.isinf(ahead[0]), torch.inf, (ahead - picture).abs().amax(0))


def _shifted(values: Tensor, step: tuple[int, int]) -> Tensor:
    """``values`` (..., h, w) moved a step (down, across), infinite where nothing comes from."""
    down, across = step
    height, width = values.shape[-2:]
    padded = F.pad(values, (max(across, 0), max(-across, 0), max(down, 0), max(-down, 0)), value=torch.inf)
    return padded[..., max(-down, 0) : max(-down, 0) + height, max(-across, 0) : max(-across, 0) + width]
