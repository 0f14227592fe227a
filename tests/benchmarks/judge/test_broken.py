"""Broken shapes are visibly so, each in all of its ways, and limbs are gone where they are said to be."""

import numpy as np
import pytest

import world
from benchmarks.judge.broken import BREAKS, HEAD, LIMBS, VISIBLE, broken, figure_without
from benchmarks.masks import overlap
from world import Object, Scene, shapes


def thing_of(shape: str, seed: int = 0) -> Object:
    tilt = 0.0 if shape == "person" else 0.1
    return Object(shape, "red", "right", (60.0, 64.0), 2.0, 20.0, tilt, phase=0.7 * seed)  # type: ignore[arg-type]


def drawn(thing: Object, *distance: object) -> np.ndarray:
    return world.draw_frame(Scene((thing,), "stone", 3), 1, 0.0, *distance)[1][0] > 0.5  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", world.SHAPES)
def test_every_way_to_break_a_shape_is_seen(shape: str) -> None:
    met = set()
    for seed in range(60):
        thing = thing_of(shape, seed)
        name, distance = broken(thing, seed, 1)
        met.add(name)
        assert overlap(drawn(thing, distance), drawn(thing)) < 1 - VISIBLE + 0.03
        assert drawn(thing, distance).sum() > 60
    assert met == set(BREAKS[shape])  # type: ignore[index]


def test_a_seed_is_a_way() -> None:
    thing = thing_of("star")
    one, again, other = (broken(thing, seed, 1)[1] for seed in (3, 3, 4))
    assert np.array_equal(drawn(thing, one), drawn(thing, again))
    assert not np.array_equal(drawn(thing, one), drawn(thing, other))


def test_a_figure_that_lacks_nothing_is_whole() -> None:
    thing = thing_of("person", 2)
    assert np.array_equal(drawn(thing, figure_without(())), drawn(thing))


@pytest.mark.parametrize("limb", [*LIMBS, HEAD])
def test_a_limb_is_gone_where_it_was(limb: str) -> None:
    thing = thing_of("person", 3)
    where = dict(zip(world.JOINTS, shapes.joints(thing, 1), strict=True))
    x, y = np.round(where[LIMBS[limb][-1] if limb in LIMBS else "nose"]).astype(int)
    assert drawn(thing)[y, x]
    assert not drawn(thing, figure_without((limb,)))[y, x]
