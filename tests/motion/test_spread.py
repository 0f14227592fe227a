"""Edited frames spread over their clip."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.motion.making import SIZE
from tests.motion.spreading import (
    FRAMES,
    GREEN,
    LEFT,
    RED,
    SIDE,
    STEP,
    TOP,
    ground,
    place,
    put,
    square_clip,
    square_flow,
)
from vedit.flow import Flow, estimate_flow
from vedit.motion.spread import spread

LAST = FRAMES - 1


def far(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().amax())


@pytest.mark.parametrize("flow", [square_flow(), estimate_flow(square_clip())], ids=["exact", "estimated"])
def test_a_new_colour_of_a_thing_goes_with_it(flow: Flow) -> None:
    clip = square_clip()
    made = spread(clip, flow, [put(clip[0], *place(0), GREEN)], [0])
    wanted = put(ground(), *place(LAST), GREEN)
    rows, columns = place(LAST)
    inside = slice(rows.start + 1, rows.stop - 1), slice(columns.start + 1, columns.stop - 1)
    assert far(made.frames[LAST][:, *inside], wanted[:, *inside]) < 0.05
    away = torch.ones(SIZE, dtype=torch.bool)
    away[rows.start - 3 : rows.stop + 3, columns.start - 3 : columns.stop + 3] = False
    assert torch.equal(made.frames[LAST][:, away], clip[LAST][:, away]), "the rest is the clip's own"
    assert not made.changed[LAST][away].any()


def test_colours_that_are_only_blurred_otherwise_are_no_change() -> None:
    """As another decoder blurs the colours of a clip, whose brightness stays."""
    clip = square_clip()
    brightness = torch.tensor([0.2126, 0.7152, 0.0722])
    first = F.avg_pool2d(clip[:1], 5, stride=1, padding=2, count_include_pad=False)[0]
    first = first + torch.einsum("c,chw->hw", brightness, clip[0] - first)
    assert int(((first - clip[0]).abs().amax(0) > 0.2).sum()) > 50
    assert not spread(clip, square_flow(), [first], [0]).changed.any()
    thin = put(clip[0], slice(30, 32), slice(20, 40), torch.tensor([0.9, 0.4, 0.4]))
    assert spread(clip, square_flow(), [thin], [0]).changed[0].any(), "two rows of another colour are one"


def test_a_new_ground_stays_and_what_comes_into_view_is_not_known() -> None:
    clip, new = square_clip(), ground(7).flip(0) * 0.6
    made = spread(clip, square_flow(), [put(new, *place(0), RED)], [0])
    rows, columns = place(LAST)
    assert far(made.frames[LAST][:, rows.start + 1 : rows.stop - 1, columns.start + 1 : columns.stop - 1],
               RED[:, None, None]) < 0.05  # fmt: skip
    assert far(made.frames[LAST][:, :, columns.stop + 2 :], new[:, :, columns.stop + 2 :]) < 0.03
    uncovered = slice(TOP + 2, TOP + SIDE - 2), slice(LEFT + 1, LEFT + STEP * LAST - 2)
    assert not made.known[LAST][uncovered].any()
    assert far(made.frames[LAST][:, *uncovered], clip[LAST][:, *uncovered]) > 0.05, "not the old ground either"
    assert made.known[LAST][:, columns.stop + 2 :].all()


def test_what_is_added_to_a_thing_goes_with_it() -> None:
    clip = square_clip()
    hat = slice(TOP - 6, TOP), slice(LEFT + 2, LEFT + SIDE - 2)
    made = spread(clip, square_flow(), [put(clip[0], *hat, GREEN)], [0])
    there = slice(TOP - 5, TOP - 1), slice(LEFT + LAST * STEP + 3, LEFT + LAST * STEP + SIDE - 3)
    assert far(made.frames[LAST][:, *there], GREEN[:, None, None]) < 0.05
    left_behind = slice(TOP - 6, TOP - 2), slice(LEFT + 2, LEFT + SIDE - 4)
    assert far(made.frames[LAST][:, *left_behind], clip[LAST][:, *left_behind]) < 1e-6


def test_where_a_thing_is_taken_away_there_is_the_ground() -> None:
    clip = square_clip()
    made = spread(clip, square_flow(), [ground()], [0])
    assert far(made.frames[LAST], ground()) < 0.08
    assert made.known[LAST].all()


def test_what_is_changed_of_a_ground_stays_where_it_is() -> None:
    clip = square_clip()
    spot = slice(38, 44), slice(30, 40)
    made = spread(clip, square_flow(), [put(clip[0], *spot, GREEN)], [0])
    for frame in made.frames:
        assert far(frame[:, 39:43, 31:39], GREEN[:, None, None]) < 0.02


def test_it_spreads_both_ways_and_one_picture_fades_into_another() -> None:
    clip = square_clip()
    blue = torch.tensor([0.1, 0.2, 0.9])
    first, last = put(clip[0], *place(0), GREEN), put(clip[LAST], *place(LAST), blue)
    middle = torch.tensor([TOP + SIDE // 2, LEFT + SIDE // 2])
    made = spread(clip, square_flow(), [first, last], [0, LAST])
    colours = [made.frames[i, :, int(middle[0]), int(middle[1]) + STEP * i] for i in range(FRAMES)]
    for index, colour in enumerate(colours):
        assert far(colour, torch.lerp(GREEN, blue, index / LAST)) < 0.05
    assert made.pictures.tolist() == [0, 0, 1, 1]
    back = spread(clip, square_flow(), [last], [LAST])
    assert far(back.frames[0, :, int(middle[0]), int(middle[1])], blue) < 0.05


def test_the_frame_of_a_picture_is_the_picture() -> None:
    clip = square_clip()
    picture = put(clip[1], *place(1), GREEN)
    made = spread(clip, square_flow(), [picture], [1])
    assert far(made.frames[1], picture) < 0.02
    assert made.known[1].all()


def test_nothing_that_is_edited_changes_nothing() -> None:
    clip = square_clip()
    made = spread(clip, square_flow(), [clip[0]], [0])
    assert torch.equal(made.frames, clip)
    assert not made.changed.any()
    assert "0% changed" in repr(made)


def test_a_single_frame_is_its_picture() -> None:
    clip = square_clip()[:1]
    picture = put(clip[0], *place(0), GREEN)
    made = spread(clip, estimate_flow(clip), [picture], [0])
    assert far(made.frames[0], picture) < 0.02
