"""How far strokes reach."""

from __future__ import annotations

import pytest
import torch

from tests.motion.making import SIZE, square
from vedit.motion.support import geodesic_distances, hold


def test_without_edges_ways_are_straight() -> None:
    even = torch.full((3, *SIZE), 0.5)
    seeds = torch.tensor([[10.0, 20.0]])
    straight = geodesic_distances(None, seeds, SIZE, 30)
    along = geodesic_distances(even, seeds, SIZE, 30)
    assert along[0, 20, 10] == 0
    assert along[0, 20, 30] == 20
    met = torch.isfinite(along)
    assert torch.equal(met & torch.isinf(straight), torch.zeros_like(met)), "no way is shorter than a straight one"
    assert (along[met] / straight[met].clamp(min=1)).max() < 1.09, (
        "eight directions miss the straight way by 8 % at most"
    )


def test_edges_make_ways_long() -> None:
    picture, inside = square()
    found = geodesic_distances(picture, torch.tensor([[16.0, 24.0]]), SIZE, 60)[0]
    assert found[inside].max() < 14
    assert found[24, 26] - found[24, 23] > 3 + 4
    assert torch.isinf(geodesic_distances(picture, torch.tensor([[16.0, 24.0]]), SIZE, 10)[0, 24, 30])


def test_a_hold_is_firm_within_reach_and_ends() -> None:
    distances = torch.tensor([[0.0, 10.0, 12.0, 14.0, 20.0, torch.inf]])
    held = hold(distances, torch.tensor([10.0]))[0]
    assert held[:2].tolist() == pytest.approx([1, 1])
    assert 0.4 < held[2] < 0.6
    assert held[3:].abs().max() < 1e-5
