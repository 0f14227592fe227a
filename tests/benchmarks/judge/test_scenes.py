"""What the judges learn from: everything that they are to tell, with its right answer."""

from collections import Counter

import numpy as np
import torch

import world
from benchmarks.judge.reading import BROKEN, KINDS, objects
from benchmarks.judge.scenes import any_scene, batch, shown

EVERY = [shown(seed) for seed in range(60)]


def test_everything_is_met() -> None:
    kinds = Counter(kind for each in EVERY for kind in each.kinds)
    assert set(kinds) == set(KINDS)
    assert 0.25 < kinds[BROKEN] / kinds.total() < 0.55
    assert {len(each.masks) for each in EVERY} == {0, 1, 2}
    assert {each.ground for each in EVERY} == set(world.BACKGROUNDS)
    assert all(len(set(each.colours)) == len(each.colours) for each in EVERY)
    scenes = [any_scene(seed)[0] for seed in range(60)]
    assert {scene.weather for scene in scenes} == set(world.WEATHERS)
    assert any(scene.pan for scene in scenes)


def test_a_seed_is_a_frame() -> None:
    assert np.array_equal(shown(5).frame, shown(5).frame)
    assert not np.array_equal(shown(5).frame, shown(5, "held_out").frame)


def test_what_is_to_be_said_reads_back_as_the_objects() -> None:
    frames, colours, kinds, grounds = batch(EVERY)
    assert frames.shape == (60, 3, world.SIZE, world.SIZE)
    for maps in (colours, kinds):
        assert torch.allclose(maps.sum(1), torch.ones(60, 64, 64), atol=1e-5)
    finer = (torch.nn.functional.interpolate(each, scale_factor=2.0, mode="bilinear") for each in (colours, kinds))
    for each, ground, *said in zip(EVERY, grounds, *finer, strict=True):
        found = objects(*(maps.double().numpy() for maps in said))
        truth = zip(each.colours, each.kinds, each.masks, strict=True)
        large = sorted((colour, kind) for colour, kind, mask in truth if (mask > 0.5).sum() > 100)
        assert sorted((seen.colour, seen.shape) for seen in found if seen.area > 100) == large
        assert world.BACKGROUNDS[int(ground)] == each.ground
