"""What the benchmarks say of masks: nothing of a shape that only moves, and all of one that changes."""

import numpy as np
import pytest
from scipy import ndimage

import world
from benchmarks.masks import centres, needless_change, overlap, shape_change
from world import Object, Rendered, Scene


def clip_of(shape: str, frames: int = 6) -> Rendered:
    thing = Object(shape, "red", "right", (40.0, 60.3), 2.7, 22.0, tilt=0.1, phase=0.4)  # type: ignore[arg-type]
    return world.render(Scene((thing,), "stone", 3), frames)


def test_an_overlap_is_what_is_shared() -> None:
    square = np.zeros((2, 10, 10), dtype=bool)
    square[:, 2:6, 2:6] = True
    moved = square.copy()
    moved[1] = np.roll(square[1], 2, axis=1)
    assert overlap(square, moved).tolist() == [1.0, pytest.approx(1 / 3)]
    assert overlap(square, np.zeros_like(square)).tolist() == [0.0, 0.0]
    assert overlap(np.zeros_like(square), np.zeros_like(square)).tolist() == [0.0, 0.0]


def test_centres_are_those_of_the_objects() -> None:
    exact = clip_of("circle")
    masks = exact.masks[:, 0].copy()
    masks[2] = 0
    found = centres(masks)
    assert np.isnan(found[2]).all()
    assert np.abs(np.delete(found - exact.positions[:, 0], 2, axis=0)).max() < 0.05


@pytest.mark.parametrize("shape", ["circle", "square", "triangle", "star"])
def test_a_shape_that_only_moves_does_not_change(shape: str) -> None:
    assert shape_change(clip_of(shape).masks[:, 0]).max() < 0.02


def test_the_steps_of_a_figure_are_needed_whatever_its_build() -> None:
    masks = clip_of("person", 12).masks[:, 0]
    assert shape_change(masks).mean() > 0.05
    assert needless_change(masks, masks) == 0
    stout = (ndimage.gaussian_filter(masks, (0, 1, 1)) > 0.3).astype(float)
    assert abs(needless_change(np.roll(stout, (3, -5), (1, 2)), masks)) < 0.03
    assert needless_change(np.stack([masks[0]] * 12), masks) < -0.05


@pytest.mark.parametrize("shape", ["star", "person"])
def test_a_shape_that_wobbles_changes(shape: str) -> None:
    """Its lower part comes and goes."""
    exact = clip_of(shape)
    wobbling = exact.masks[:, 0].copy()
    for number in (1, 3, 5):
        wobbling[number, int(exact.positions[number, 0, 1]) + 8 :] = 0
    assert shape_change(wobbling).min() > 0.15
    assert needless_change(wobbling, exact.masks[:, 0]) > 0.15


def test_a_lost_object_changes_wholly() -> None:
    masks = clip_of("circle").masks[:, 0].copy()
    masks[2] = 0
    assert shape_change(masks).tolist() == pytest.approx([0, 1, 1, 0, 0], abs=0.02)
