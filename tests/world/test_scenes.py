"""The procedural world: its ground truth must be true."""

from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
from numpy.typing import NDArray

import world
from world import Object, Scene, render
from world.scene import HELD_OUT_TEXTURES, TRAIN_TEXTURES


def scene_of(shape: str, **changes: object) -> Scene:
    thing = Object(shape, "red", "right", (45.0, 60.0), 3.0, 24.0, phase=0.4)  # type: ignore[arg-type]
    return replace(Scene((thing,), "stone", 3, (10, 20)), **changes)  # type: ignore[arg-type]


def test_a_seed_is_a_scene() -> None:
    one, again, other = (render(world.sample_scene(seed), 3) for seed in (4, 4, 5))
    assert np.array_equal(one.frames, again.frames)
    assert not np.array_equal(one.frames, other.frames)
    assert one.frames.shape == (3, 3, world.SIZE, world.SIZE)
    assert one.frames.min() >= -1e-6
    assert one.frames.max() <= 1 + 1e-6


def test_held_out_means_held_out() -> None:
    triples = list(product(world.SHAPES, world.COLOURS, world.BACKGROUNDS))
    held = [triple for triple in triples if world.held_out_triple(*triple)]
    assert len(held) == 24
    for position, values in enumerate((world.SHAPES, world.COLOURS, world.BACKGROUNDS)):
        assert {triple[position] for triple in held} == set(values)
    for seed in range(200):
        trained, kept = world.sample_scene(seed), world.sample_scene(seed, "held_out", unseen=True)
        assert not world.held_out_triple(trained.objects[0].shape, trained.objects[0].colour, trained.background)
        assert world.held_out_triple(kept.objects[0].shape, kept.objects[0].colour, kept.background)
        assert trained.texture in TRAIN_TEXTURES
        assert kept.texture in HELD_OUT_TEXTURES
    assert not set(TRAIN_TEXTURES) & set(HELD_OUT_TEXTURES)
    with pytest.raises(ValueError, match="held out"):
        world.sample_scene(0, "train", unseen=True)


@pytest.mark.parametrize("frames", [1, 8, 16])
def test_objects_stay_inside_the_frame(frames: int) -> None:
    for seed in range(60):
        thing = world.sample_scene(seed, frames=frames).objects[0]
        for time in (0, frames - 1):
            assert all(thing.radius <= each <= world.SIZE - thing.radius for each in thing.position(time))


def test_a_counterfactual_differs_only_where_it_should() -> None:
    scene = scene_of("star")
    source, recoloured = render(scene, 2), render(scene.changed(colour="blue"), 2)
    outside = source.masks[:, 0] == 0
    difference = np.abs(source.frames - recoloured.frames).max(1)
    assert difference[outside].max() == 0
    assert difference[source.masks[:, 0] == 1].min() > 0.2
    moved = render(scene.changed(background="grass"), 2)
    assert np.array_equal(source.masks, moved.masks)
    assert "blue star" in scene.changed(colour="blue").caption
    assert scene.changed(background="grass").caption.endswith("over grass")


def follow(clip: NDArray[np.float32], flow: NDArray[np.float32], time: int) -> NDArray[np.float32]:
    """Frame ``time + 1`` looked up where the flow says that each pixel of frame ``time`` went."""
    rows, columns = np.mgrid[0 : world.SIZE, 0 : world.SIZE]
    x, y = (np.clip(axis, 0, world.SIZE - 1) for axis in (columns + flow[time, 0], rows + flow[time, 1]))
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    right, low = np.minimum(left + 1, world.SIZE - 1), np.minimum(top + 1, world.SIZE - 1)
    u, v = x - left, y - top
    frame = clip[time + 1]
    above = frame[:, top, left] * (1 - u) + frame[:, top, right] * u
    below = frame[:, low, left] * (1 - u) + frame[:, low, right] * u
    return above * (1 - v) + below * v


@pytest.mark.parametrize("shape", world.SHAPES)
def test_flow_carries_the_object(shape: str) -> None:
    clip = render(scene_of(shape, camera=(0.7, -0.4)), 4)
    for time in range(3):
        inside = clip.masks[time, 0] == 1
        carried = follow(clip.frames, clip.flow, time)
        error = np.abs(carried - clip.frames[time]).mean(0)[inside]
        still = np.abs(clip.frames[time + 1] - clip.frames[time]).mean(0)[inside]
        assert error.mean() < 0.03
        assert error.mean() < 0.5 * still.mean() + 0.01


def test_flow_is_the_cameras_on_the_ground() -> None:
    clip = render(scene_of("circle", camera=(1.0, -2.0)), 3)
    ground = clip.masks[0, 0] == 0
    assert np.allclose(clip.flow[0][:, ground], np.array([[-1.0], [2.0]]))
    carried = follow(clip.frames, clip.flow, 0)
    ground &= np.abs(clip.flow[0]).sum(0) > 0
    ground[:, :30], ground[:, 90:], ground[:8], ground[-8:] = False, False, False, False
    ground &= clip.masks[1, 0] == 0
    assert np.abs(carried - clip.frames[0]).mean(0)[ground].mean() < 0.02


@pytest.mark.parametrize("direction", world.DIRECTIONS)
def test_joints_lie_on_the_figure(direction: str) -> None:
    scene = scene_of("person").changed(direction=direction)
    clip = render(scene, 3)
    assert clip.joints.shape == (3, 1, 18, 2)
    limbs = [world.JOINTS.index(name) for name in ("right_knee", "left_ankle", "right_wrist", "left_elbow", "neck")]
    for mask, joints in zip(clip.masks[:, 0], clip.joints[:, 0], strict=True):
        for x, y in joints[limbs]:
            assert mask[round(float(y)), round(float(x))] > 0.4
    assert np.isnan(render(scene_of("star"), 1).joints).all()


def test_figures_walk() -> None:
    joints = render(scene_of("person"), 8).joints[:, 0]
    centred = joints - joints[:, :1]
    assert np.ptp(centred[:, world.JOINTS.index("left_ankle"), 0]) > 4


def test_the_front_object_hides_the_other() -> None:
    scene = world.sample_scene(3, objects=2)
    front = replace(scene.objects[1], start=scene.objects[0].start)
    masks = render(replace(scene, objects=(scene.objects[0], front)), 1).masks
    assert masks.shape[1] == 2
    assert masks.sum(1).max() <= 1 + 1e-5
    assert " and " in scene.caption


@pytest.mark.parametrize("weather", ["rain", "snow"])
def test_more_weather_is_seen(weather: str) -> None:
    dry = scene_of("circle", weather=weather)
    levels = [0.0, 0.3, 0.6, 1.0]
    covered = [np.abs(render(dry, 1, [level]).frames - render(dry, 1, [0.0]).frames).mean() for level in levels]
    assert all(b > a + 0.002 for a, b in pairwise(covered))
    said = [replace(dry, intensity=level).caption for level in (0.2, 0.6, 1.0)]
    assert [each.partition(" in ")[2] for each in said] == [f"light {weather}", weather, f"heavy {weather}"]


@pytest.mark.parametrize("look", ["sketch", "neon"])
def test_looks_change_the_picture_and_the_words(look: str) -> None:
    scene = scene_of("square")
    plain, drawn = render(scene, 1), render(scene.changed(look=look), 1)
    assert np.abs(plain.frames - drawn.frames).mean() > 0.1
    assert np.array_equal(plain.masks, drawn.masks)
    assert scene.changed(look=look).caption.startswith(look)


def test_another_distance_draws_another_outline() -> None:
    scene = scene_of("star")

    def disc(thing: Object, x: NDArray[np.float32], y: NDArray[np.float32], time: float) -> NDArray[np.float32]:
        return np.hypot(x - thing.position(time)[0], y - thing.position(time)[1]) - np.float32(10)

    _, masks = world.draw_frame(scene, 2, 0.0, disc)
    assert masks.sum() == pytest.approx(np.pi * 100, rel=0.01)
