"""The motion of a ground is found beside objects that go their own way."""

import numpy as np
import pytest

import world
from benchmarks.ground_motion import ground_track
from benchmarks.tracks import pans_as_told


@pytest.mark.parametrize("background", world.BACKGROUNDS)
def test_a_ground_is_followed(background: str) -> None:
    scene = world.sample_clip(2, "held_out", pans=True, objects=2).changed(background=background)
    clip = world.render(scene, 6)
    exact = -np.arange(6)[:, None] * np.asarray(scene.camera)
    assert np.abs(ground_track(clip.frames, clip.masks.max(axis=1) > 0.5) - exact).max() < 0.15


def test_a_pattern_that_stands_before_it_hardly_holds_it_back() -> None:
    scene = world.sample_clip(2, "held_out", pans=True).changed(background="sand")
    clip = world.render(scene, 9)
    pattern = np.random.default_rng(0).normal(0, 0.02, clip.frames.shape[1:])
    exact = -8 * np.asarray(scene.camera)
    found = ground_track(clip.frames + pattern, clip.masks[:, 0] > 0.5)[-1]
    assert np.abs(found - exact).max() < 0.3


def test_what_stands_stands() -> None:
    clip = world.render(world.sample_clip(2, "held_out", path="straight", pace="fast"), 3)
    assert np.abs(ground_track(clip.frames, clip.masks[:, 0] > 0.5)).max() < 0.01


def test_a_ground_that_is_hidden_has_no_track() -> None:
    clip = world.render(world.sample_clip(2, "held_out", pans=True), 3)
    found = ground_track(clip.frames, np.ones((3, world.SIZE, world.SIZE), dtype=bool))
    assert np.isnan(found[1:]).all()
    assert not any(pans_as_told(found, each) for each in world.DIRECTIONS)
