"""Strokes as a network understands them, and the dense flow that comes of it."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from tests.motion.learnt.making import SMALL, completion
from tests.motion.making import SIZE, drawn, line, square, still
from vedit.motion.dense import dense_flow
from vedit.motion.learnt.completion import FlowCompletion
from vedit.motion.learnt.field import completed
from vedit.motion.strokes.drawn import Drawn

STILL = torch.zeros(2, 2, *SIZE), torch.ones(SIZE)
"""Nothing is computed to move in two frames, and all is held."""


class Echo(FlowCompletion):
    """Says of each pixel what it is told of it, and of the others that they stay; and keeps what it was told."""

    def forward(
        self, pictures: Tensor, flow: Tensor, known: Tensor, computed: Tensor, held: Tensor
    ) -> tuple[Tensor, Tensor]:
        self.told = flow, known
        return held, flow


def points_of(strokes: Drawn) -> tuple[Tensor, Tensor]:
    """Where strokes begin, and where they are in each frame."""
    return strokes.tracks[:, 0], strokes.tracks.transpose(0, 1)


def test_points_are_told_in_the_networks_own_pixels() -> None:
    network = Echo(SMALL)
    strokes = drawn(line((20, 10), (28, 6), 3), size=(96, 128))
    still = torch.zeros(3, 2, 96, 128), torch.ones(96, 128)
    _, moved = completed(network, torch.rand(3, 96, 128), strokes, *points_of(strokes), *still)
    flow, known = network.told
    assert flow.shape == (3, 2, 48, 64)
    assert known[2, 0, 5, 10]
    assert flow[2, :, 5, 10].tolist() == pytest.approx([4.0, -2.0])
    assert moved.shape == (3, 2, 96, 128)
    assert moved[2, :, 10, 20].tolist() == pytest.approx([8.0, -4.0], abs=0.5)
    assert moved[0].abs().max() == 0


def test_all_of_a_mask_is_told_turned_as_its_stroke_is() -> None:
    network, (picture, inside) = Echo(SMALL), square()
    turn = torch.tensor([[0.0, math.pi / 2]])
    strokes = drawn(line((16, 24), (20, 24), 2), masks=(inside,), turn=turn, anchors=torch.tensor([[50.0, 40.0]]))
    completed(network, picture, strokes, torch.zeros(0, 2), torch.zeros(2, 0, 2), *STILL)
    flow, known = network.told
    assert torch.equal(known[1, 0], inside)
    assert flow[1, :, 24, 16].tolist() == pytest.approx([4.0, 0.0], abs=1e-4)
    assert flow[1, :, 24, 20].tolist() == pytest.approx([4.0 - 4, 4.0], abs=1e-4), "a quarter turn, clockwise"


def test_an_anchors_mask_is_told_to_stay() -> None:
    network, (picture, inside) = Echo(SMALL), square()
    strokes = drawn(line((40, 24), (50, 24), 2), anchors=torch.tensor([[16.0, 24.0]]), anchor_masks=(inside,))
    completed(network, picture, strokes, *points_of(strokes), *STILL)
    assert network.told[1][1, 0, 24, 16]
    assert network.told[0][1, :, 24, 16].abs().max() == 0


def test_what_is_computed_keeps_its_outlines_at_any_size() -> None:
    computed = torch.zeros(3, 2, 96, 128)
    computed[:, 0, 10:33, 10:33] = 7.0
    strokes = drawn(line((20, 10), (28, 6), 3), size=(96, 128))
    fresh, before = FlowCompletion.fresh(SMALL), torch.rand(96, 128).round()
    held, moved = completed(fresh, torch.rand(3, 96, 128), strokes, *points_of(strokes), computed, before)
    assert torch.equal(moved, computed)
    torch.testing.assert_close(held, before)


def test_a_network_takes_the_place_of_the_field() -> None:
    picture, inside = square()
    strokes = drawn(line((16, 24), (28, 24), 3))
    told = dense_flow(strokes, picture, network=completion())
    assert torch.equal(told.forward, dense_flow(strokes, picture, network=completion()).forward), "it repeats"
    assert not torch.allclose(told.forward, dense_flow(strokes, picture).forward)
    assert told.forward[0].abs().max() == 0
    assert torch.equal(dense_flow(strokes, None, network=completion()).forward, dense_flow(strokes).forward)
    masked = dense_flow(drawn(line((16, 24), (28, 24), 3), masks=(inside,)), picture, network=completion())
    assert masked.forward[:, :, ~inside].abs().max() == 0, "nothing else moves"


def test_the_camera_moves_what_a_network_has_moved() -> None:
    picture, _ = square()
    camera = still(2)
    camera[1, 0, 2] = 5.0
    strokes = drawn(line((16, 24), (28, 24), 2), camera=camera)
    alone = dense_flow(drawn(line((16, 24), (28, 24), 2)), picture, network=completion())
    both = dense_flow(strokes, picture, network=completion())
    torch.testing.assert_close(both.forward[1, 0], alone.forward[1, 0] + 5)
