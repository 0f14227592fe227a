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
from vedit.motion.learnt.field import held_whole
from vedit.motion.strokes.drawn import Drawn

STILL = torch.zeros(2, 2, *SIZE), torch.ones(SIZE)
"""Nothing is computed to move in two frames, and all is held."""


class Echo(FlowCompletion):
    """Says of each pixel whether it is told of it; and keeps what it was told."""

    def forward(self, pictures: Tensor, flow: Tensor, known: Tensor, computed: Tensor, held: Tensor) -> Tensor:
        self.told = flow, known
        return known.to(held)


def points_of(strokes: Drawn) -> tuple[Tensor, Tensor]:
    """Where strokes begin, and where they are in each frame."""
    return strokes.tracks[:, 0], strokes.tracks.transpose(0, 1)


def test_points_are_told_in_the_networks_own_pixels() -> None:
    network = Echo(SMALL)
    strokes = drawn(line((20, 10), (28, 6), 3), size=(96, 128))
    still = torch.zeros(3, 2, 96, 128), torch.zeros(96, 128)
    held = held_whole(network, torch.rand(3, 96, 128), strokes, *points_of(strokes), *still)
    flow, known = network.told
    assert flow.shape == (3, 2, 48, 64)
    assert known[2, 0, 5, 10]
    assert flow[2, :, 5, 10].tolist() == pytest.approx([4.0, -2.0])
    assert held.shape == (96, 128)
    assert held[10, 20] == 1
    assert 0 < held.sum() < 200


def test_all_of_a_mask_is_told_turned_as_its_stroke_is() -> None:
    network, (picture, inside) = Echo(SMALL), square()
    turn = torch.tensor([[0.0, math.pi / 2]])
    strokes = drawn(line((16, 24), (20, 24), 2), masks=(inside,), turn=turn, anchors=torch.tensor([[50.0, 40.0]]))
    held_whole(network, picture, strokes, torch.zeros(0, 2), torch.zeros(2, 0, 2), *STILL)
    flow, known = network.told
    assert torch.equal(known[1, 0], inside)
    assert flow[1, :, 24, 16].tolist() == pytest.approx([4.0, 0.0], abs=1e-4)
    assert flow[1, :, 24, 20].tolist() == pytest.approx([4.0 - 4, 4.0], abs=1e-4), "a quarter turn, clockwise"


def test_an_anchors_mask_is_told_to_stay() -> None:
    network, (picture, inside) = Echo(SMALL), square()
    strokes = drawn(line((40, 24), (50, 24), 2), anchors=torch.tensor([[16.0, 24.0]]), anchor_masks=(inside,))
    held_whole(network, picture, strokes, *points_of(strokes), *STILL)
    assert network.told[1][1, 0, 24, 16]
    assert network.told[0][1, :, 24, 16].abs().max() == 0


def test_what_is_held_keeps_its_outlines_at_any_size_but_for_a_rim() -> None:
    strokes, before = drawn(line((20, 10), (28, 6), 3), size=(96, 128)), torch.zeros(96, 128)
    before[10:33, 10:33] = 0.6
    fresh, computed = FlowCompletion.fresh(SMALL), torch.ones(3, 2, 96, 128)
    held = held_whole(fresh, torch.rand(3, 96, 128), strokes, *points_of(strokes), computed, before)
    wanted = torch.zeros(96, 128)
    wanted[8:35, 8:35] = 1.0  # the network's pixels are two of the picture's
    assert torch.equal(held, wanted)


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
