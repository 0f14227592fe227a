"""Scenes for clips: what moves stays in view, as its words say, and what is held out is never trained on."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import world
from world import Object
from world.clips import HELD_OUT_SPEEDS, HELD_OUT_TURNS, SPEEDS
from world.paths import UNIT

THING = Object("person", "red", "left", (64.0, 60.0), 3.0, 22.0)


def path_of(thing: Object, frames: int = 16) -> np.ndarray:
    return np.array([thing.position(time) for time in range(frames)])


@pytest.mark.parametrize("objects", [1, 2])
@pytest.mark.parametrize("frames", [16, 96])
def test_what_moves_stays_in_view(objects: int, frames: int) -> None:
    for seed in range(20):
        scene = world.sample_clip(seed, frames=frames, objects=objects, pans=frames == 16 and seed % 3 == 0)
        for thing in scene.objects:
            seen = path_of(thing, frames) - np.arange(frames)[:, None] * np.asarray(scene.camera)
            assert (seen >= thing.radius).all()
            assert (seen <= world.SIZE - thing.radius).all()
        if objects == 2:
            one, other = (path_of(thing, frames) for thing in scene.objects)
            assert np.linalg.norm(one - other, axis=1).min() > 25
            assert scene.objects[0].colour != scene.objects[1].colour


def test_a_seed_is_a_clip() -> None:
    assert world.sample_clip(7) == world.sample_clip(7)
    assert world.sample_clip(7) != world.sample_clip(8)


def test_held_out_speeds_and_turns_are_never_trained_on() -> None:
    def shares(split: str) -> list[float]:
        things = [world.sample_clip(seed, split).objects[0] for seed in range(200)]  # type: ignore[arg-type]
        moving = [thing for thing in things if thing.path != "still"]
        return [(thing.speed - SPEEDS[thing.pace][0]) / np.ptp(SPEEDS[thing.pace]) for thing in moving]

    low, high = HELD_OUT_SPEEDS
    assert not any(low <= share < high for share in shares("train"))
    assert all(low <= share <= high for share in shares("held_out"))
    turns = {
        split: {
            (thing.direction, thing.then)
            for seed in range(150)
            for thing in world.sample_clip(seed, split, path="turning").objects  # type: ignore[arg-type]
        }
        for split in ("train", "held_out")
    }
    assert len(turns["train"]) == 6
    assert not turns["train"] & HELD_OUT_TURNS
    assert len(turns["held_out"]) == 8


def test_words_tell_the_path() -> None:
    told = {
        "moving left": THING,
        "moving slowly left": replace(THING, pace="slowly"),
        "standing still": replace(THING, path="still"),
        "bouncing fast left and right": replace(THING, path="bouncing", pace="fast"),
        "bouncing up and down": replace(THING, path="bouncing", direction="up"),
        "moving left then up": replace(THING, path="turning", then="up", turn=5.0),
        "circling": replace(THING, path="circling", orbit=15.0),
    }
    for words, thing in told.items():
        assert thing.phrase == f"a red person {words}"
    scene = world.sample_clip(3, pans=True)
    assert scene.caption.endswith(f" as the camera pans {scene.pan}")
    assert np.sign(scene.camera).tolist() == list(UNIT[scene.pan])  # type: ignore[index]


def test_paths_go_where_they_say() -> None:
    still = path_of(replace(THING, path="still"))
    assert (still == still[0]).all()
    bouncing = path_of(replace(THING, path="bouncing", walls=(24.0, 104.0)), 96)
    assert bouncing[:, 0].min() >= 24
    assert bouncing[:, 0].max() <= 104
    assert np.ptp(bouncing[:, 0]) > 75
    turning = np.diff(path_of(replace(THING, path="turning", then="up", turn=7.0)), axis=0)
    assert np.allclose(turning[0], [-3, 0])
    assert np.allclose(turning[-1], [0, -3])
    circle = path_of(replace(THING, path="circling", orbit=-15.0), 96)
    assert np.allclose(np.linalg.norm(circle - THING.start, axis=1), 15)
    assert np.allclose(np.linalg.norm(np.diff(circle, axis=0), axis=1), 3, atol=0.05)


def test_figures_face_where_they_go() -> None:
    bouncing = replace(THING, path="bouncing", walls=(24.0, 104.0))
    assert bouncing.heading(0) == "left"
    assert bouncing.heading(20) == "right"
    assert replace(THING, path="turning", then="down", turn=4.0).heading(6) == "down"
    circling = replace(THING, path="circling", orbit=15.0)
    assert {circling.heading(time) for time in range(40)} == {"left", "right"}
    standing = replace(THING, path="still", phase=1.0)
    joints = [world.shapes.joints(standing, time) for time in range(4)]
    assert all(np.array_equal(one, other) for one, other in pairwise(joints))


@pytest.mark.parametrize("path", world.PATHS)
def test_flow_is_exact_on_every_path(path: str) -> None:
    clip = world.render(world.sample_clip(11, path=path), 4)  # type: ignore[arg-type]
    thing = clip.scene.objects[0]
    for time in range(3):
        inside = clip.masks[time, 0] == 1
        moved = np.subtract(thing.position(time + 1), thing.position(time))
        if thing.shape != "person":
            assert np.allclose(clip.flow[time][:, inside], moved[:, None], atol=1e-4)
        assert np.allclose(clip.positions[time + 1] - clip.positions[time], moved, atol=1e-4)
