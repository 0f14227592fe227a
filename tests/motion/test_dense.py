"""Dense flow from strokes: what they hold goes with them, the rest stays, and the camera moves all of it."""

from __future__ import annotations

import math

import pytest
import torch

from tests.motion.making import SIZE, drawn, line, square, still
from vedit.motion.dense import dense_flow


def test_a_thing_goes_with_its_stroke_and_the_rest_stays() -> None:
    picture, inside = square()
    flow = dense_flow(drawn(line((16, 24), (40, 20), 4)), picture)
    error = (flow.forward[3] - torch.tensor([24.0, -4.0])[:, None, None]).norm(dim=0)
    assert error[inside].max() < 0.01
    far = torch.zeros(SIZE, dtype=torch.bool)
    far[:, 30:] = True
    assert flow.forward[:, :, far].abs().max() == 0
    assert flow.forward[0].abs().max() == 0
    assert flow.visible[0].all()
    assert flow.notes == ()


def test_backward_leads_back_and_what_comes_into_view_is_not_visible() -> None:
    picture, inside = square()
    flow = dense_flow(drawn(line((16, 24), (40, 24), 3), masks=(inside,)), picture)
    last = torch.zeros(SIZE, dtype=torch.bool)
    last[16:32, 32:48] = True
    assert (flow.backward[2, 0, last] + 24).abs().max() < 0.6
    assert flow.drawn[2][last].float().mean() > 0.9
    assert not flow.visible[2][17:31, 9:23].any(), "what the square has hidden"
    assert flow.visible[2][:, 52:].all()


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_a_stroke_so_many_times_as_strong_moves_so_many_times_as_far(factor: float) -> None:
    picture, inside = square()
    strokes = drawn(line((16, 24), (28, 24), 4), strength=torch.full((1, 4), factor))
    assert dense_flow(strokes, picture).forward[3, 0][inside].mean() == pytest.approx(12 * factor, rel=0.02)


@pytest.mark.parametrize("angle", [0.3, math.pi / 2])
def test_a_thing_turns_about_its_point_and_about_an_anchor(angle: float) -> None:
    picture, inside = square()
    turn = torch.tensor([[0.0, angle]])
    rows, columns = inside.nonzero().float().unbind(1)
    x, y = columns - 16, rows - 24
    wanted = torch.stack([x * math.cos(angle) - y * math.sin(angle) - x, x * math.sin(angle) + y * math.cos(angle) - y])
    alone = dense_flow(drawn(line((16, 24), (16, 24), 2), turn=turn, masks=(inside,)), picture)
    assert (alone.forward[1][:, inside] - wanted).norm(dim=0).mean() < 0.1
    end = (16 + 6 * math.cos(angle), 24 + 6 * math.sin(angle))
    pair = drawn(line((22, 24), end, 2), masks=(inside,), anchors=torch.tensor([[16.0, 24.0]]))
    assert (dense_flow(pair, picture).forward[1][:, inside] - wanted).norm(dim=0).mean() < 0.5


def test_a_mask_says_to_the_pixel_what_moves() -> None:
    picture, inside = square()
    mask = inside.clone()
    mask[24:] = False
    flow = dense_flow(drawn(line((16, 20), (30, 20), 2), masks=(mask,)), picture)
    assert torch.equal(flow.forward[1, 0] > 7, mask)


def test_an_anchor_stays_within_its_mask() -> None:
    picture, inside = square()
    keep = torch.zeros(SIZE, dtype=torch.bool)
    keep[:, :14] = True
    strokes = drawn(
        line((18, 24), (30, 24), 2), masks=(inside,), anchors=torch.tensor([[5.0, 5.0]]), anchor_masks=(keep,)
    )
    flow = dense_flow(strokes, picture)
    assert flow.forward[1][:, keep].abs().max() == 0
    assert flow.drawn[1][:, :14].all()


def test_the_camera_moves_all_with_the_strokes_upon_it() -> None:
    picture, inside = square()
    camera = still(3)
    camera[:, 0, 2] = torch.tensor([0.0, 5.0, 10.0])
    flow = dense_flow(drawn(line((16, 24), (28, 24), 3), masks=(inside,), camera=camera), picture)
    assert (flow.forward[2, 0][inside] - 22).abs().max() < 0.01
    assert (flow.forward[2, 0][:, 40:] - 10).abs().max() < 1e-4
    assert not flow.visible[2][:, :9].any(), "what was outside of the picture"
    zoom = still(2)
    zoom[1] = torch.tensor([[2.0, 0.0, -31.5], [0.0, 2.0, -23.5]])
    seen = dense_flow(drawn(torch.zeros(0, 2, 2), camera=zoom), picture)
    assert seen.visible.all()
    assert (seen.backward[1, 0, 20, 63] + 15.75).abs() < 1e-3


def test_strokes_that_tear_at_one_thing_are_named() -> None:
    even = torch.full((3, *SIZE), 0.5)
    across = torch.cat([line((24, 24), (44, 24), 2), line((36, 24), (16, 24), 2)])
    notes = dense_flow(drawn(across, reach=30), even).notes
    assert len(notes) == 1
    assert "stroke 1" in notes[0]
    assert "stroke 2" in notes[0]


def test_from_frame_to_frame_it_is_the_flow_of_a_clip() -> None:
    picture, inside = square()
    flow = dense_flow(drawn(line((16, 24), (40, 24), 4), masks=(inside,)), picture)
    between = flow.between_frames()
    assert (len(between), between.size) == (4, SIZE)
    middle = torch.zeros(SIZE, dtype=torch.bool)
    middle[18:30, 18:30] = True  # where the square is in frame 1
    assert (between.forward[1, 0][middle] - 8).abs().max() < 0.6
    assert between.forward[1, 0][:, 60:].abs().max() < 0.01


def test_it_is_the_same_each_time_and_without_strokes_nothing_moves() -> None:
    picture, _ = square()
    strokes = drawn(line((16, 24), (40, 20), 3))
    once, again = dense_flow(strokes, picture), dense_flow(strokes, picture)
    assert torch.equal(once.backward, again.backward)
    none = dense_flow(drawn(torch.zeros(0, 3, 2)), picture)
    assert none.forward.abs().max() == 0
    assert none.visible.all()
    assert not none.drawn.any()


@pytest.mark.parametrize("field", ["rigid", "similarity", "thin_plate"])
def test_every_field_brings_the_stroke_to_its_end(field: str) -> None:
    picture, _ = square()
    flow = dense_flow(drawn(line((16, 24), (26, 28), 3)), picture, field)  # type: ignore[arg-type]
    assert (flow.forward[2, :, 24, 16] - torch.tensor([10.0, 4.0])).norm() < 1
