"""What happens between points that move."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from vedit.motion.fields import edge_points, moving_least_squares, thin_plate

PLACES = torch.rand(200, 2, generator=torch.Generator().manual_seed(0)) * 100
POINTS = torch.tensor([[20.0, 30.0], [70.0, 40.0], [50.0, 80.0]])


def moved(points: Tensor, *, turn: float = 0.0, scale: float = 1.0, by: tuple[float, float] = (0.0, 0.0)) -> Tensor:
    """Points (..., 2) turned and scaled about (50, 50), and moved."""
    matrix = scale * torch.tensor([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    return (points - 50) @ matrix.T + 50 + torch.tensor(by)


def near_weights(places: Tensor, points: Tensor) -> Tensor:
    return 1 / (torch.cdist(places, points).square() + 1)


@pytest.mark.parametrize("turn", [0.0, 0.3, 1.5, 3.0])
def test_a_rigid_move_is_met_everywhere(turn: float) -> None:
    targets = torch.stack([moved(POINTS, turn=turn, by=(7, -3)), POINTS])
    found = moving_least_squares(PLACES, POINTS, targets, near_weights(PLACES, POINTS))
    assert (found[0] - (moved(PLACES, turn=turn, by=(7, -3)) - PLACES)).abs().max() < 0.1
    assert found[1].abs().max() < 1e-4


def test_a_point_alone_gives_a_translation() -> None:
    found = moving_least_squares(PLACES, POINTS[:1], POINTS[None, :1] + 5, torch.ones(len(PLACES), 1))
    assert torch.allclose(found, torch.full_like(found, 5.0), atol=1e-5)


def test_scaling_is_met_only_where_it_may_be() -> None:
    targets = moved(POINTS, scale=1.5)[None]
    weights = near_weights(PLACES, POINTS)
    wanted = moved(PLACES, scale=1.5) - PLACES
    assert (moving_least_squares(PLACES, POINTS, targets, weights, scales=True)[0] - wanted).abs().max() < 0.1
    assert (moving_least_squares(PLACES, POINTS, targets, weights)[0] - wanted).norm(dim=1).mean() > 3


def test_what_hardly_counts_turns_nothing() -> None:
    targets = POINTS[None, :2] + torch.tensor([[0.0, 20.0], [0.0, -20.0]])
    weights = torch.tensor([[1.0, 1e-9]]).expand(len(PLACES), 2)
    found = moving_least_squares(PLACES, POINTS[:2], targets, weights)[0]
    assert (found - torch.tensor([0.0, 20.0])).abs().max() < 1.0


@pytest.mark.parametrize("turn", [0.0, 0.4])
def test_a_thin_plate_meets_what_is_even_and_its_points(turn: float) -> None:
    targets = moved(POINTS, turn=turn, by=(4, 2))[None]
    found = thin_plate(PLACES, POINTS, targets)[0]
    assert (found - (moved(PLACES, turn=turn, by=(4, 2)) - PLACES)).abs().max() < 0.05
    bent = POINTS[None] + torch.tensor([[5.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    held = torch.cat([POINTS, edge_points((100, 100))])
    goal = torch.cat([bent[0], edge_points((100, 100))])[None]
    assert (thin_plate(POINTS, held, goal)[0] - (bent[0] - POINTS)).abs().max() < 0.3
