"""The motion of a ground is found beside objects that go their own way."""

import numpy as np
import pytest

import world
from benchmarks.ground_motion import ground_steps


@pytest.mark.parametrize("background", world.BACKGROUNDS)
def test_a_ground_is_followed_to_a_tenth_of_a_pixel(background: str) -> None:
    scene = world.sample_clip(2, "held_out", pans=True, objects=2).changed(background=background)
    clip = world.render(scene, 3)
    steps = ground_steps(clip.frames, clip.masks.max(axis=1) > 0.5)
    assert np.abs(steps + scene.camera).max() < 0.1


def test_what_stands_stands() -> None:
    clip = world.render(world.sample_clip(2, "held_out", path="straight", pace="fast"), 3)
    assert np.abs(ground_steps(clip.frames, clip.masks[:, 0] > 0.5)).max() < 0.01
