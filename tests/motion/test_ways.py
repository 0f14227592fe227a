"""The ways of things from frame to frame."""

from __future__ import annotations

import torch

from tests.motion.making import SIZE
from tests.motion.spreading import STEP, place, square_clip
from vedit.motion.ways import STAYS, aligned, fitted


def test_a_way_is_that_of_most_points() -> None:
    points = torch.rand(60, 2, generator=torch.Generator().manual_seed(1)) * 50
    turned = points @ torch.tensor([[0.96, 0.28], [-0.28, 0.96]]) + torch.tensor([3.0, -2.0])
    turned[:12] += 20
    way = fitted(points, turned, torch.ones(60, dtype=torch.bool), similar=True)
    assert way is not None
    assert torch.allclose(way, torch.tensor([[0.96, -0.28, 3.0], [0.28, 0.96, -2.0]]), atol=1e-3)


def test_too_few_points_say_no_way() -> None:
    points = torch.rand(60, 2)
    assert fitted(points, points, torch.arange(60) < 5) is None


def test_a_thing_of_one_colour_is_aligned_by_its_edges() -> None:
    clip = square_clip()
    thing = torch.zeros(SIZE, dtype=torch.bool)
    thing[place(0)] = True
    near = STAYS.clone()
    near[0, 2] = STEP - 2.5
    found = aligned(clip[0], clip[1], thing, [near])
    assert abs(float(found[0, 2]) - STEP) < 0.3
    assert abs(float(found[1, 2])) < 0.3


def test_a_thing_is_aligned_however_far_it_has_gone() -> None:
    key, frame = torch.full((2, 3, 48, 96), 0.5)
    thing = torch.zeros(48, 96, dtype=torch.bool)
    thing[16:32, 8:24] = True
    key[0, thing] = frame[0, thing.roll(54, 1)] = 0.9
    near = STAYS.clone()
    near[0, 2] = 52.5
    found = aligned(key, frame, thing, [near])
    assert abs(float(found[0, 2]) - 54) < 0.3


def test_where_there_is_nothing_to_align_the_guess_stands() -> None:
    flat = torch.full((3, *SIZE), 0.5)
    thing = torch.zeros(SIZE, dtype=torch.bool)
    thing[place(0)] = True
    assert torch.equal(aligned(flat, flat, thing, [STAYS]), STAYS)
