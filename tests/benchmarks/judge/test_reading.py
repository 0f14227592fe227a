"""Objects are read from what is said of pixels: each one, of one colour and shape, and no more."""

from dataclasses import replace

import numpy as np
import pytest

import world
from benchmarks.judge.reading import BROKEN, KINDS, View, masks_of, objects, track_of
from tests.benchmarks.exact import views
from world import Object, Scene

COLOUR, KIND = (list(each).index for each in (world.COLOURS, KINDS))
RED = Object("star", "red", "left", (40.0, 60.0), 2.0, 20.0)
BLUE = Object("person", "blue", "left", (90.0, 60.0), 2.0, 18.0)


def maps(*parts: tuple[np.ndarray, str, str]) -> tuple[np.ndarray, np.ndarray]:
    """What a perfect judge says of pixels, where each mask is of a colour and a kind."""
    colours, kinds = (np.zeros((len(names) + 1, world.SIZE, world.SIZE)) for names in (world.COLOURS, KINDS))
    for mask, colour, kind in parts:
        colours[COLOUR(colour)] += mask
        kinds[KIND(kind)] += mask
    for each in (colours, kinds):
        each[-1] = 1 - each.sum(axis=0)
    return colours, kinds


def mask_of(thing: Object) -> np.ndarray:
    return world.draw_frame(Scene((thing,), "stone", 3), 0, 0.0)[1][0]


def box(left: int, top: int, width: int, height: int) -> np.ndarray:
    mask = np.zeros((world.SIZE, world.SIZE))
    mask[top : top + height, left : left + width] = 1
    return mask


def test_an_object_is_what_it_is() -> None:
    mask = mask_of(RED)
    (found,) = objects(*maps((mask, "red", "star")))
    assert (found.colour, found.shape) == ("red", "star")
    assert found.centre == pytest.approx(RED.start, abs=0.5)
    assert np.array_equal(found.mask, mask)
    (found,) = objects(*maps((mask, "red", BROKEN)))
    assert found.shape == BROKEN


def test_two_objects_are_two_the_larger_first() -> None:
    found = objects(*maps((mask_of(BLUE), "blue", "person"), (mask_of(RED), "red", "star")))
    assert [(each.colour, each.shape) for each in found] == [("red", "star"), ("blue", "person")]
    assert [each.centre[0] for each in found] == pytest.approx([40, 90], abs=1)


def test_objects_that_touch_are_told_apart_by_colour() -> None:
    left, right = box(20, 40, 30, 30), box(50, 40, 25, 30)
    found = objects(*maps((left, "red", "square"), (right, "cyan", "square")))
    assert [(each.colour, each.area) for each in found] == [("red", 900), ("cyan", 750)]


def test_a_little_of_another_colour_is_no_object() -> None:
    left, right = box(20, 40, 30, 30), box(50, 40, 5, 30)
    (found,) = objects(*maps((left, "red", "square"), (right, "orange", "square")))
    assert (found.colour, found.area) == ("red", 1050)


def test_a_head_belongs_to_its_body_and_a_speck_to_nothing() -> None:
    head, body, far = box(40, 30, 12, 10), box(40, 43, 12, 30), box(90, 90, 20, 20)
    pieces = [(head, "green", "person"), (body, "green", "person")]
    (found,) = objects(*maps(*pieces, (box(100, 100, 7, 7), "green", "person")))
    assert found.area == 12 * 40
    assert len(objects(*maps(*pieces, (far, "green", "person")))) == 2
    assert objects(*maps()) == ()


def test_doubt_is_decided_by_the_most() -> None:
    colours, kinds = maps((mask_of(RED), "red", "star"))
    other, _ = maps((mask_of(RED), "orange", "star"))
    _, broken = maps((mask_of(RED), "red", BROKEN))
    (found,) = objects(0.6 * colours + 0.4 * other, 0.45 * kinds + 0.55 * broken)
    assert (found.colour, found.shape) == ("red", BROKEN)


def test_a_view_is_held_against_a_scene() -> None:
    scene = Scene((RED, BLUE), "sand", 3)
    view = views(world.render(scene, 1))[0]
    assert view.right(scene) == (True, True, True, True)
    assert view.right(replace(scene, background="grass")) == (True, True, False, True)
    assert view.right(replace(scene, objects=(RED, replace(BLUE, shape="circle")))) == (False, True, True, True)
    assert view.right(replace(scene, objects=(replace(RED, colour="cyan"), BLUE))) == (True, False, True, True)
    assert view.right(replace(scene, objects=(RED,))) == (True, True, True, False)
    swapped = replace(scene, objects=(replace(RED, colour="blue"), replace(BLUE, colour="red")))
    assert view.right(swapped) == (False, True, True, True)
    assert View("sand", ()).right(scene) == (False, False, True, False)
    broken = View("sand", (replace(view.objects[0], shape=BROKEN), *view.objects[1:]))
    assert not broken.right(scene).shape


def test_things_are_matched_by_colour_then_by_what_is_left() -> None:
    scene = Scene((RED, BLUE), "sand", 3)
    view = views(world.render(scene, 1))[0]
    star, person = view.objects
    assert view.matched((BLUE, RED)) == [person, star]
    assert view.matched((BLUE, replace(RED, colour="cyan"))) == [person, star]
    assert view.matched((replace(RED, colour="cyan"),)) == [star]
    assert View("sand", (person,)).matched((RED, BLUE)) == [None, person]
    assert View("sand", ()).matched((RED,)) == [None]


def test_what_is_not_seen_has_no_mask_and_no_place() -> None:
    star = views(world.render(Scene((RED,), "sand", 3), 1))[0].largest
    assert masks_of([star, None]).sum(axis=(1, 2)).tolist() == pytest.approx([star.mask.sum(), 0])
    assert np.isnan(track_of([star, None])).tolist() == [[False, False], [True, True]]
