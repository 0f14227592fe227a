"""Steadiness in time: less jitter without lag, short gaps, and people who keep their number."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.annotators.pose.making import STANDING, keypoints, walk
from vedit.annotators.pose import Pose
from vedit.annotators.pose.keypoints import Array, Keypoints
from vedit.annotators.pose.smoothing import drop, fill, jitter, one_euro, savgol
from vedit.annotators.pose.tracking import track

FRAMES = 60


def dance() -> Array:
    """(F, 1, 18, 2): a known motion at 512 pixels and 25 frames per second, a sway of 0.6 Hz of each joint."""
    time = np.arange(FRAMES)[:, None] / 25
    phase = np.linspace(0, 1, 18)
    sway = 40 * np.stack([np.sin(2 * np.pi * 0.6 * time + phase), 0.4 * np.cos(2 * np.pi * 0.6 * time + phase)], -1)
    return (STANDING * 5 + 256 + sway)[:, None]


def shaken(points: Array) -> Array:
    return points + np.random.default_rng(0).normal(0, 3, points.shape)


def error(one: Array, other: Array) -> float:
    return float(np.linalg.norm(one - other, axis=-1).mean())


@pytest.mark.parametrize("method", ["one_euro", "savgol"])
def test_jitter_is_halved_and_nothing_lags(method: str) -> None:
    noisy = keypoints(shaken(dance()), (512, 512))
    steady = Pose(Pose.Options(smooth=method)).steady(noisy)
    assert jitter(steady) < 0.5 * jitter(noisy)
    true = dance()
    assert error(steady.points, true) < error(noisy.points, true)  # nearer to the truth than what was found
    # Nor is it the truth of another frame.
    ago, ahead = error(steady.points[1:], true[:-1]), error(steady.points[:-1], true[1:])
    assert error(steady.points, true) < 0.7 * min(ago, ahead)
    assert ago == pytest.approx(ahead, rel=0.1)


def test_smoothing_holds_for_every_size() -> None:
    large, small = (one_euro(keypoints(shaken(dance()) * s, (512 * s, 512 * s)), 2, 0.005) for s in (2, 1))
    np.testing.assert_allclose(large.points, 2 * small.points)


def test_without_smoothing_points_are_as_they_were_found() -> None:
    noisy = keypoints(shaken(dance()), (512, 512))
    np.testing.assert_array_equal(Pose(Pose.Options(smooth="none")).steady(noisy).points, noisy.points)


def test_what_rests_stays() -> None:
    still = keypoints(walk(20)[:, None])
    for steady in (one_euro(still, 2, 0.005), savgol(still)):
        np.testing.assert_allclose(steady.points, still.points, atol=1e-9)


def hidden(frames: slice, total: int = 20) -> Keypoints:
    """A steady walk whose right wrist is out of sight for some frames."""
    points = walk(total, (10, 64), (2, 1))[:, None]
    points[frames, 0, 4] = np.nan
    return keypoints(points)


def test_short_gaps_are_filled_and_long_ones_stay() -> None:
    truth = walk(20, (10, 64), (2, 1))
    filled = fill(hidden(slice(5, 9)), 4)
    np.testing.assert_allclose(filled.points[:, 0], truth)
    assert filled.known.all()
    assert filled.scores[6, 0, 4] == pytest.approx(0.9)
    for longer in (fill(hidden(slice(5, 10)), 4), fill(hidden(slice(0, 3)), 4), fill(hidden(slice(17, 20)), 4)):
        np.testing.assert_array_equal(np.isnan(longer.points).any(-1), ~longer.known)
        assert not longer.known.all()
    assert fill(hidden(slice(5, 6)), 0).known.sum() == 20 * 18 - 1


@pytest.mark.parametrize("method", ["one_euro", "savgol"])
def test_a_filter_starts_anew_after_a_long_gap(method: str) -> None:
    points = walk(30)[:, None]
    points[10:20] = np.nan
    points[20:] += 50  # came back elsewhere
    steady = one_euro(keypoints(points), 2, 0.005) if method == "one_euro" else savgol(keypoints(points))
    np.testing.assert_allclose(steady.points, points, atol=1e-9)


def test_single_frames_and_nobody_pass() -> None:
    for points in (walk(1)[:, None], np.zeros((4, 0, 18, 2))):
        for method in ("one_euro", "savgol", "none"):
            steady = Pose(Pose.Options(smooth=method)).steady(keypoints(points))
            np.testing.assert_array_equal(steady.points, points)
    assert np.isnan(jitter(keypoints(walk(2)[:, None])))


def test_doubtful_joints_are_dropped() -> None:
    found = keypoints(walk(3)[:, None])
    scores = found.scores.copy()
    scores[1, 0, 7] = 0.2
    kept = drop(replace(found, scores=scores), 0.3)
    assert not kept.known[1, 0, 7]
    assert np.isnan(kept.points[1, 0, 7]).all()
    assert kept.known.sum() == 3 * 18 - 1


def crossing(frames: int = 24) -> tuple[Array, Array]:
    """Two people who walk past each other, meeting halfway."""
    return walk(frames, (20, 64), (4, 0)), walk(frames, (112, 60), (-4, 0))


def test_two_who_cross_keep_their_numbers() -> None:
    one, other = crossing()
    chance = np.random.default_rng(1)
    found = np.stack([one, other], axis=1) + chance.normal(0, 1, (24, 2, 18, 2))
    order = chance.permuted(np.tile([0, 1], (24, 1)), axis=1)  # a detector's order means nothing
    order[0] = 0, 1
    mixed = np.take_along_axis(found, order[:, :, None, None], axis=1)
    np.testing.assert_array_equal(track(keypoints(mixed)).points, found)


def test_someone_lost_for_a_moment_comes_back_as_the_same() -> None:
    one, other = crossing()
    found = np.stack([one, other], axis=1)
    found[5:8, 0] = np.nan
    shifted = found.copy()
    shifted[5:8] = shifted[5:8, ::-1]  # the one who is left moves up in the list
    np.testing.assert_array_equal(track(keypoints(shifted)).points, found)


def test_someone_far_away_is_somebody_new_and_specks_are_nobody() -> None:
    points = np.full((6, 2, 18, 2), np.nan)
    points[:3, 0], points[3:, 0] = walk(3, (20, 64)), walk(3, (400, 64))
    points[:, 1, :3] = 200.0  # three joints are no person
    people = track(keypoints(points, (512, 512)))
    assert people.points.shape == (6, 2, 18, 2)
    assert people.known[:3, 0].all()
    assert people.known[3:, 1].all()
    assert people.known.sum() == 6 * 18


def test_a_face_alone_may_move_as_fast_as_a_person() -> None:
    points = walk(6, (40, 64), (10, 0))[:, None]
    points[:, :, 1:14] = np.nan  # 12 pixels across, and it starts off without notice
    assert track(keypoints(points)).points.shape == (6, 1, 18, 2)
