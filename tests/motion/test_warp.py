"""Pictures along a flow."""

from __future__ import annotations

import torch

from tests.motion.making import drawn, line, square
from vedit.motion.dense import dense_flow
from vedit.motion.first_frame import keep_first
from vedit.motion.warp import background, crude_animation, warped


def test_a_whole_number_of_pixels_moves_them_unchanged() -> None:
    picture = torch.rand(3, 12, 16)
    back = torch.zeros(2, 2, 12, 16)
    back[1, 0] = -8  # eight pixels a frame: with the forward flow by mistake it would go the other way
    moved = warped(picture, back)
    assert (moved[0] - picture).abs().max() < 1e-4
    assert (moved[1, :, :, 8:] - picture[:, :, :8]).abs().max() < 1e-4


def test_what_is_cut_out_leaves_the_ground() -> None:
    picture, inside = square()
    filled = background(picture, inside.float())
    assert (filled[:, inside] - 0.5).abs().max() < 0.1
    assert torch.equal(filled[:, :, 40:], picture[:, :, 40:])
    assert torch.equal(background(picture, torch.zeros_like(inside).float()), picture)


def test_a_thing_is_where_its_stroke_ends_and_not_where_it_was() -> None:
    picture, inside = square()
    frames = crude_animation(picture, dense_flow(drawn(line((16, 24), (40, 24), 3), masks=(inside,)), picture))
    assert (frames[0] - picture).abs().max() < 1e-4
    assert (frames[2, :, 17:31, 33:47] - torch.tensor([0.9, 0.1, 0.1])[:, None, None]).abs().max() < 0.05
    assert (frames[2, :, 17:31, 9:23] - 0.5).abs().max() < 0.1


def test_the_first_frame_is_the_picture_and_what_was_lost_of_it_fades() -> None:
    picture, inside = square()
    flow = dense_flow(drawn(line((16, 24), (40, 24), 5), masks=(inside,)), picture)
    lossy = crude_animation(picture, flow) - 0.06
    kept = keep_first(lossy, picture, flow)
    assert torch.equal(kept[0], picture)
    errors = [float((kept[index] - lossy[index])[:, :, 60:].mean()) for index in range(5)]
    assert errors[1] > errors[2] > errors[3] == errors[4] == 0
