"""Each verdict on a track is right on exact ones, a little noise or not, and wrong on those that words do not fit."""

from dataclasses import replace

import numpy as np
import pytest

import world
from benchmarks.tracks import drift, goes_as_told, largest_jump, longest_leap, mean_distance, pans_as_told, speed
from world import Object
from world.paths import OPPOSITE

FRAMES = 16
NOISE = 0.3
"""Pixels by which a measured centre is off."""


def track_of(thing: Object, noise: float = 0.0, seed: int = 0) -> np.ndarray:
    exact = np.array([thing.position(time) for time in range(FRAMES)])
    return exact + np.random.default_rng(seed).normal(0, noise, exact.shape)


def things(path: str, pace: str = "plain", count: int = 20) -> list[Object]:
    return [world.sample_clip(seed, "held_out", path=path, pace=pace).objects[0] for seed in range(count)]  # type: ignore[arg-type]


@pytest.mark.parametrize("pace", world.PACES)
@pytest.mark.parametrize("path", world.PATHS)
def test_what_goes_as_told_is_found_right(path: str, pace: str) -> None:
    chosen = things(path, pace)
    assert all(goes_as_told(thing, track_of(thing)) for thing in chosen)
    noisy = [goes_as_told(thing, track_of(thing, NOISE, seed)) for seed, thing in enumerate(chosen)]
    assert np.mean(noisy) >= 0.9


@pytest.mark.parametrize("told", world.PATHS)
def test_what_stands_still_goes_nowhere(told: str) -> None:
    for thing in things(told):
        still = goes_as_told(thing, track_of(replace(thing, path="still"), NOISE / 3))
        assert still is (told == "still")


@pytest.mark.parametrize("told", ["still", "turning", "circling"])
def test_what_goes_straight_does_not_turn(told: str) -> None:
    for seed, thing in enumerate(things("straight")):
        words = replace(thing, path=told, then="up" if thing.direction in ("left", "right") else "left")  # type: ignore[arg-type]
        assert not goes_as_told(words, track_of(thing, NOISE, seed))


def test_another_direction_is_wrong() -> None:
    for thing in things("straight"):
        track = track_of(thing)
        assert [goes_as_told(replace(thing, direction=each), track) for each in world.DIRECTIONS] == [
            each == thing.direction for each in world.DIRECTIONS
        ]


def test_there_and_back_is_not_straight() -> None:
    thing = Object("circle", "red", "right", (30.0, 60.0), 4.0, 20.0)
    track = track_of(thing)
    track[12:] = track[[11, 10, 9, 8]]
    assert not goes_as_told(thing, track)


def test_the_legs_of_a_turn_must_be_both_and_in_order() -> None:
    for thing in things("turning"):
        assert thing.then is not None
        track = track_of(thing)
        assert not goes_as_told(replace(thing, direction=thing.then, then=thing.direction), track)
        assert not goes_as_told(replace(thing, direction=OPPOSITE[thing.direction]), track)
        assert not goes_as_told(replace(thing, then=OPPOSITE[thing.then]), track)


def test_what_bounces_keeps_its_axis_and_stays_in_the_picture() -> None:
    for thing in things("bouncing"):
        track = track_of(thing)
        assert not goes_as_told(
            replace(thing, direction="up" if thing.direction in ("left", "right") else "left"), track
        )
    leaving = Object("circle", "red", "right", (70.0, 60.0), 4.0, 20.0)
    bouncing = replace(leaving, path="bouncing", walls=(22, 106))
    assert not goes_as_told(bouncing, track_of(leaving))
    assert goes_as_told(bouncing, track_of(bouncing))


@pytest.mark.parametrize("other", ["bouncing", "turning"])
def test_a_corner_and_a_way_back_are_no_circle(other: str) -> None:
    for seed, thing in enumerate(things(other)):
        assert not goes_as_told(replace(thing, path="circling"), track_of(thing, NOISE, seed))


def test_a_wide_arc_is_no_circle() -> None:
    for orbit, right in ((18.0, True), (60.0, False)):
        thing = Object("circle", "red", "left", (64.0, 64.0), 3.0, 20.0, path="circling", orbit=orbit)
        assert goes_as_told(thing, track_of(thing)) is right


def test_what_is_lost_for_long_has_no_track() -> None:
    thing = Object("circle", "red", "right", (30.0, 60.0), 3.0, 20.0)
    track = track_of(thing)
    track[5:8] = np.nan
    assert goes_as_told(thing, track)
    assert speed(track) == pytest.approx(3)
    track[8:10] = np.nan
    assert not goes_as_told(thing, track)
    assert np.isnan(speed(track))
    assert np.isnan(drift(track))


def test_speeds_are_those_of_the_words() -> None:
    measured = [[speed(track_of(thing, NOISE)) for thing in things("straight", pace)] for pace in world.PACES]
    assert np.median(measured, axis=1) == pytest.approx([1.05, 2.7, 4.8], abs=0.15)


def test_the_largest_jump_is_the_largest() -> None:
    exact = track_of(Object("circle", "red", "right", (30.0, 60.0), 3.0, 20.0))
    assert largest_jump(exact + np.array([4, -2]), exact) == pytest.approx(0)
    jumping = exact.copy()
    jumping[9:] += [3, 4]
    jumping[4:] += [0, -2]
    assert largest_jump(jumping, exact) == pytest.approx(5)
    jumping[9] = np.nan
    assert largest_jump(jumping, exact) == pytest.approx(5)
    assert np.isnan(largest_jump(np.full_like(exact, np.nan), exact))


def test_a_camera_that_pans_moves_the_ground_the_other_way() -> None:
    ground = np.arange(FRAMES)[:, None] * np.array([1.5, 0.1])
    assert [pans_as_told(ground, each) for each in world.DIRECTIONS] == [True, False, False, False]
    assert not pans_as_told(0.1 * ground, "left")
    assert not pans_as_told(ground + np.arange(FRAMES)[:, None] * np.array([0, 1.5]), "left")


def test_a_leap_is_a_step_that_is_longer_than_the_others() -> None:
    exact = track_of(Object("circle", "red", "right", (30.0, 60.0), 3.0, 20.0))
    assert longest_leap(exact) == pytest.approx(0)
    leaping = exact.copy()
    leaping[9:] += np.array([5, 0])
    assert longest_leap(leaping) == pytest.approx(5)
    assert np.isnan(longest_leap(np.full_like(exact, np.nan)))
    assert mean_distance(leaping, exact) == pytest.approx(5 * 7 / 16)
