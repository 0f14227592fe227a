"""The mask that known colours give: the object's, and not where something else is."""

import numpy as np
import pytest

import world
from benchmarks.masks import overlap
from benchmarks.matte import matte


def held(scene: world.Scene, picture: np.ndarray, number: int = 0) -> float:
    _, masks = world.draw_frame(scene, 3, 0.0)
    return float(overlap(matte(picture, scene, 3, number), masks[number] > 0.5))


@pytest.mark.parametrize("shape", world.SHAPES)
def test_a_frame_itself_has_its_own_mask(shape: str) -> None:
    for seed in range(4):
        scene = world.sample_scene(seed, "held_out").changed(shape=shape)
        assert held(scene, world.draw_frame(scene, 3, 0.0)[0]) > 0.95


def test_each_of_two_objects_has_its_own() -> None:
    scene = world.sample_clip(3, "held_out", objects=2)
    picture, _ = world.draw_frame(scene, 3, 0.0)
    assert min(held(scene, picture, number) for number in (0, 1)) > 0.95


def test_what_is_gone_moved_or_of_another_shape_is_told() -> None:
    scene = world.sample_scene(5, "held_out").changed(shape="star", colour="red", background="grass")
    picture, _ = world.draw_frame(scene, 3, 0.0)
    bare, _ = world.draw_frame(scene.changed(colour="green"), 3, 0.0)
    assert held(scene, np.roll(picture, 5, axis=2)) < 0.75
    assert held(scene, world.draw_frame(scene.changed(shape="circle"), 3, 0.0)[0]) < 0.7
    assert held(scene, bare) < 0.1
