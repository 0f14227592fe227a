"""Displacements everywhere from displacements at a few points: moving least squares, and the thin-plate spline."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

Field = Literal["rigid", "similarity", "thin_plate"]
"""What a point's neighbourhood may do: turn and move; be scaled too; or bend, as a thin plate of metal."""

EVENNESS = 1e-3
"""Squared pixels by which not turning counts beside what points say of a rotation: far ones that hardly count here say
nothing of it."""

STIFFNESS = 1e-3
"""Of the thin plate, as a share of the mean of its kernel: strokes are drawn by hand, and are not met exactly."""

EDGE_POINTS = ((0, 0), (0, 0.5), (0, 1), (0.5, 0), (0.5, 1), (1, 0), (1, 0.5), (1, 1))
"""Shares of the height and width of the places around the picture that a thin plate is held at."""


def moving_least_squares(
    places: Tensor, points: Tensor, targets: Tensor, weights: Tensor, *, scales: bool = False
) -> Tensor:
    """How far each place moves where some points move to their targets: the nearest rotation and translation there.

    One point gives a translation, two and more a rotation too.

    Args:
        places: (P, 2) in pixels
        points: (S, 2) in pixels
        targets: (F, S, 2) in pixels, where the points are in each frame
        weights: (P, S) of the points in each place, 0 or more
        scales: whether the neighbourhood may be scaled too

    Returns:
        (F, P, 2) in pixels, float32.

    Source: Schaefer et al. 2006, eq. 6 to 8.
    """
    shares = (weights / weights.sum(1, keepdim=True).clamp(min=1e-30)).double()  # (P, S)
    p, q = points.double(), targets.double()
    centre, moved = shares @ p, torch.matmul(shares, q)  # (P, 2), (F, P, 2)
    dot = torch.matmul(shares, (p * q).sum(-1)[..., None])[..., 0] - (centre * moved).sum(-1)  # (F, P)
    turn = torch.matmul(shares, _cross(p, q)[..., None])[..., 0] - _cross(centre, moved)
    spread = (shares @ p.square().sum(-1)) - centre.square().sum(-1)  # (P,)
    dot = dot + EVENNESS
    length = torch.hypot(dot, turn)
    divided = spread + EVENNESS if scales else length
    cos, sin = dot / divided, turn / divided
    x, y = (places.double() - centre).unbind(-1)
    turned = torch.stack([cos * x - sin * y, sin * x + cos * y], dim=-1)
    return (turned + moved - places.double()).float()


def thin_plate(places: Tensor, points: Tensor, targets: Tensor) -> Tensor:
    """As ``moving_least_squares``, with the thin-plate spline: the field that bends least.

    Source: Bookstein 1989, eq. 3 to 6; its smoothing, Wahba 1990, section 2.4.
    """
    p = points.double()
    moves = (targets.double() - p).transpose(0, 1).flatten(1)  # (S, F 2)
    kernel = _plate(torch.cdist(p, p))
    ones = torch.cat([torch.ones(len(p), 1, dtype=torch.float64), p], dim=1)  # (S, 3)
    system = torch.zeros(len(p) + 3, len(p) + 3, dtype=torch.float64)
    system[: len(p), : len(p)] = kernel + STIFFNESS * kernel.abs().mean() * torch.eye(len(p), dtype=torch.float64)
    system[: len(p), len(p) :], system[len(p) :, : len(p)] = ones, ones.T
    found = torch.linalg.lstsq(system, torch.cat([moves, moves.new_zeros(3, moves.shape[1])])).solution
    x = places.double()
    felt = _plate(torch.cdist(x, p)) @ found[: len(p)] + torch.cat([torch.ones(len(x), 1).double(), x], 1) @ found[-3:]
    return felt.unflatten(1, (len(targets), 2)).transpose(0, 1).float()


def edge_points(size: tuple[int, int]) -> Tensor:
    """(8, 2) places x and y around a picture of ``size`` (H, W), which hold a thin plate."""
    return torch.tensor([[across * (size[1] - 1), down * (size[0] - 1)] for down, across in EDGE_POINTS])


def _plate(distance: Tensor) -> Tensor:
    """r^2 log r."""
    return distance.square() * distance.clamp(min=math.exp(-30)).log()


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
