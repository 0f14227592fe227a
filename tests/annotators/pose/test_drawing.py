"""The OpenPose drawing: known joints, and colours at known places."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.annotators.pose.making import STANDING, keypoints, walk
from training.poses import exact
from vedit.annotators.pose import draw
from vedit.annotators.pose.drawing import COLOURS, DARKENED, LIMBS
from vedit.annotators.pose.keypoints import Array
from world import sample_scene


def spread() -> Array:
    """18 joints (1, 1, 18, 2) at 512 pixels, far enough apart that no joint hides another or a limb's middle."""
    return (STANDING * 5 + (256, 256))[None, None]


def at(picture: torch.Tensor, place: Array) -> Array:
    return picture[:, round(float(place[1])), round(float(place[0]))].numpy()


def test_joints_have_openpose_s_colours() -> None:
    points = spread()
    (picture,) = draw(keypoints(points, (512, 512)))
    for joint, colour in zip(points[0, 0], COLOURS, strict=True):
        assert at(picture, joint) == pytest.approx(colour, abs=1e-5)
    assert COLOURS[4] * 255 == pytest.approx((170, 255, 0))


def test_limbs_are_darkened_and_have_the_colour_of_their_place() -> None:
    points = spread()
    (picture,) = draw(keypoints(points, (512, 512)))
    for number, (start, end) in enumerate(LIMBS):
        if number in (12, 13, 14, 15, 16):  # of the head: short, under joints
            continue
        middle = (points[0, 0, start] * 0.5 + points[0, 0, end] * 0.5).round()
        assert at(picture, middle) == pytest.approx(DARKENED * COLOURS[number], abs=0.02), number


def test_a_limb_is_as_thick_as_opencv_draws_it_at_512_pixels() -> None:
    """The reference: a filled polygon of half axes (length / 2, 4), and a disc of radius 4 for a joint."""
    cv2 = pytest.importorskip("cv2")
    points = np.full((1, 1, 18, 2), np.nan)
    points[0, 0, 2], points[0, 0, 3] = (100, 120), (220, 180)
    (picture,) = draw(keypoints(points, (512, 512)))
    length, angle = np.hypot(120, 60), np.degrees(np.arctan2(60, 120))
    expected = np.zeros((512, 512), np.uint8)
    cv2.fillConvexPoly(expected, cv2.ellipse2Poly((160, 150), (int(length / 2), 4), int(angle), 0, 360, 1), 255)
    for place in points[0, 0, 2:4]:
        cv2.circle(expected, (int(place[0]), int(place[1])), 4, 255, thickness=-1)
    drawn, meant = (picture.amax(0) > 0.3).numpy(), expected > 0
    assert (drawn & meant).sum() / (drawn | meant).sum() > 0.9


def test_ground_is_black_and_unknown_joints_take_their_limbs_along() -> None:
    points = spread()
    points[0, 0, 3] = np.nan  # the right elbow
    (picture,) = draw(keypoints(points, (512, 512)))
    shoulder, wrist = points[0, 0, 2], points[0, 0, 4]
    assert at(picture, shoulder * 0.6 + (STANDING[3] * 5 + 256) * 0.4) == pytest.approx((0, 0, 0))
    assert at(picture, wrist) == pytest.approx(COLOURS[4], abs=1e-5)
    assert float(draw(keypoints(np.full((2, 1, 18, 2), np.nan))).max()) == 0
    assert draw(keypoints(np.zeros((2, 0, 18, 2)), (30, 46))).shape == (2, 3, 30, 46)


def test_small_pictures_keep_lines_of_a_pixel_and_more() -> None:
    (picture,) = draw(keypoints(walk(1)[:, None]))
    for start, end in LIMBS:
        places = np.linspace(*walk(1)[0, [start, end]], 9)
        assert min(float(at(picture, place).max()) for place in places) > 0.25, (start, end)


def test_what_is_partly_or_wholly_outside_is_clipped() -> None:
    points = walk(3)[:, None]
    points[1] += (100, 0)
    points[2] += (100_000, -100_000)
    pictures = draw(keypoints(points))
    assert torch.isfinite(pictures).all()
    assert float(pictures[1].amax()) > 0.5
    assert float(pictures[2].amax()) == 0


def test_all_joints_in_one_point_are_drawn_as_a_dot() -> None:
    (picture,) = draw(keypoints(np.full((1, 1, 18, 2), 20.0)))
    assert torch.isfinite(picture).all()
    assert 4 <= int((picture.amax(0) > 0).sum()) <= 40


def test_drawing_moves_by_parts_of_a_pixel() -> None:
    a, b = draw(keypoints(np.stack([walk(1), walk(1) + 0.25])))
    assert 0 < float((a - b).abs().max()) < 0.9


def test_the_world_s_exact_joints_lie_on_its_figures() -> None:
    scene = sample_scene(3, moving_camera=True).changed(shape="person")
    from world import render

    drawn = render(scene, 4)
    found = exact(scene, 0, 4)
    np.testing.assert_allclose(found.points[:, 0], drawn.joints[:, 0], atol=1e-3)
    np.testing.assert_array_equal(exact(scene, 2).points[0], found.points[2])
    skeleton = draw(found).amax(1).numpy() > 0.5
    near = drawn.masks[:, 0] > 0
    assert (skeleton & near).sum() / skeleton.sum() > 0.9
    assert draw(exact(scene.changed(shape="star"))).max() == 0
