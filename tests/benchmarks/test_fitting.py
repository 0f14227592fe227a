"""Which shape a mask is."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch
from torch import Tensor

import world
from benchmarks.judge.breaking import WAYS, broken
from benchmarks.judge.fitting import fitted
from world import Scene
from world.scene import Shape


def scene(shape: Shape, seed: int = 5) -> Scene:
    return world.sample_scene(seed, "held_out").changed(shape=shape)


def mask_of(shown: Scene, time: float = 3.0) -> Tensor:
    return torch.from_numpy(world.draw_frame(shown, time, 0.0)[1][0] > 0.5)


@pytest.mark.parametrize("shape", get_args(Shape))
def test_whole_objects_are_found_to_fractions_of_a_pixel(shape: Shape) -> None:
    for seed in (5, 6):
        shown = scene(shape, seed)
        found = fitted(mask_of(shown))
        assert found.thing.shape == shape
        assert found.overlap > 0.95
        assert np.hypot(*np.subtract(found.thing.start, shown.objects[0].position(3.0))) < 0.5


def test_what_is_outside_of_the_picture_or_hidden_does_not_count_against_a_shape() -> None:
    whole = scene("star")
    star = replace(whole.objects[0], start=(8.0, 60.0), direction="up", speed=0.0)
    cut = mask_of(replace(whole, objects=(star,)))
    assert fitted(cut).thing.shape == "star"
    assert fitted(cut).overlap > 0.93
    hidden, visible = mask_of(whole), torch.ones(128, 128, dtype=torch.bool)
    x, y = (round(place) for place in whole.objects[0].position(3.0))
    visible[y : y + 12, x : x + 40] = False
    assert fitted(hidden & visible, visible).overlap > fitted(hidden & visible).overlap + 0.05
    assert fitted(hidden & visible, visible).overlap > 0.93


@pytest.mark.parametrize("way", WAYS)
def test_what_is_broken_fits_worse_than_what_is_whole(way: str) -> None:
    for shape in get_args(Shape):
        shown = scene(shape)
        _, masks = broken(shown, way, 3.0, np.random.default_rng(1))
        assert fitted(torch.from_numpy(masks[0] > 0.5)).overlap < fitted(mask_of(shown)).overlap - 0.02


def test_a_way_to_break_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no way to break an object: 'burnt' \(ways: missing"):
        broken(scene("star"), "burnt", 0.0, np.random.default_rng(0))
