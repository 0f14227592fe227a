"""Things told from the ground of a clip, and where its frames have them."""

from __future__ import annotations

import torch

from tests.motion.making import SIZE
from tests.motion.spreading import FRAMES, LEFT, SIDE, STEP, TOP, place, square_clip, square_flow
from vedit.flow import estimate_flow
from vedit.motion.layers import layers, nearest_of

NOTHING = torch.zeros(SIZE, dtype=torch.bool)


def test_a_thing_of_one_colour_is_found_and_goes_its_way() -> None:
    clip = square_clip()
    told = layers(clip, estimate_flow(clip), 0, NOTHING)
    true = torch.zeros(SIZE, dtype=torch.bool)
    true[place(0)] = True
    found = told.things > 0
    assert float((found & true).sum() / (found | true).sum()) > 0.9
    for index in range(FRAMES):
        assert abs(float(told.ways[index, 1, 0, 2]) - STEP * index) < 0.5
        assert float(told.ways[index, 0, :, 2].abs().max()) < 0.2, "the ground stays"


def test_pixels_know_where_they_come_from() -> None:
    clip = square_clip()
    told = layers(clip, square_flow(), 0, NOTHING)
    rows, columns = place(FRAMES - 1)
    middle = (rows.start + rows.stop) // 2, (columns.start + columns.stop) // 2
    assert int(told.whose[-1, middle[0], middle[1]]) == 1
    x, y = told.origins[-1, middle[0], middle[1]].tolist()
    assert abs(x - (middle[1] - STEP * (FRAMES - 1))) < 0.5
    assert abs(y - middle[0]) < 0.5
    assert told.seen[-1, 2, 2]
    uncovered = TOP + SIDE // 2, LEFT + 3
    assert not told.seen[-1, uncovered[0], uncovered[1]], "the first frame hides it"
    assert int(told.whose[-1, uncovered[0], uncovered[1]]) == 0


def test_it_can_be_told_from_any_frame() -> None:
    clip = square_clip()
    told = layers(clip, square_flow(), 2, NOTHING)
    assert abs(float(told.ways[0, 1, 0, 2]) + 2 * STEP) < 0.5
    assert abs(float(told.ways[3, 1, 0, 2]) - STEP) < 0.5
    assert torch.equal(told.whose[2], told.things)


def test_a_clip_that_stays_has_no_things() -> None:
    clip = square_clip()[:1].expand(3, -1, -1, -1)
    told = layers(clip, estimate_flow(clip), 0, NOTHING)
    assert int(told.things.max()) == 0
    assert told.seen.all()


def test_values_are_those_of_the_nearest_pixel_also_from_outside() -> None:
    values = torch.arange(6).view(2, 3)
    places = torch.tensor([[0.4, 0.4], [1.6, 0.6], [-9.0, 9.0], [9.0, -9.0]])
    assert nearest_of(values, places).tolist() == [0, 5, 3, 2]
