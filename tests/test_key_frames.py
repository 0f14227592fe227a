"""Which frames of a clip are its key frames."""

from __future__ import annotations

from itertools import pairwise
from math import ceil, log2

import pytest
import torch

from tests.test_flow import uniform
from vedit.flow import Flow
from vedit.key_frames import LONGEST, OCCLUDED, KeyFrames, by_content, evenly
from vedit.shots import Shots


def still(frames: int) -> Flow:
    return uniform((0.0, 0.0), frames, (16, 32))


@pytest.mark.parametrize(("frames", "count"), [(96, 8), (10, 4), (10, 9), (7, 2), (5, 5), (2, 2)])
def test_so_many_as_far_from_each_other_as_they_can_be(frames: int, count: int) -> None:
    at = evenly(frames, count).at
    assert len(at) == count
    assert (at[0], at[-1]) == (0, frames - 1)
    gaps = [later - earlier for earlier, later in pairwise(at)]
    assert max(gaps) - min(gaps) <= 1


def test_each_shot_has_its_first_and_its_last_frame() -> None:
    shots = Shots((0, 10, 11, 40))
    for count in (2, 7, 9, 20):
        keys = evenly(50, count, shots)
        assert {0, 9, 10, 11, 39, 40, 49} <= set(keys.at)
        assert len(keys) == max(count, 7)
        assert [group[0] for group in keys.together] == list(shots.starts)
        for segment in keys.segments:
            assert any(span.start <= segment[0] <= segment[-1] < span.stop for span in shots.spans(50))
    gaps = [segment[-1] - segment[0] for segment in evenly(50, 12, shots).segments]
    assert max(gaps) == 7, "the longest shot has the most of them"


def test_what_lies_between_them() -> None:
    keys = KeyFrames((0, 3, 4, 6), Shots((0, 4)))
    assert (len(keys), keys.frames) == (4, 7)
    assert keys.together == [[0, 3], [4, 6]]
    assert keys.segments == [range(4), range(4, 7)]
    assert keys.others == [1, 2, 5]


def test_by_what_a_clip_shows_the_next_is_where_enough_of_the_last_is_seen() -> None:
    """Of 32 pixels, 3 leave the picture in each frame."""
    flow = uniform((3.0, 0.0), 20, (16, 32))
    (first, second, *_, last) = by_content(flow).at
    assert (first, second, last) == (0, int(OCCLUDED * 32 / 3), 19)
    assert by_content(still(2 * LONGEST + 3)).at == (0, LONGEST, 2 * LONGEST, 2 * LONGEST + 2)
    assert by_content(uniform((40.0, 0.0), 4, (16, 32))).at == (0, 1, 2, 3)
    assert by_content(still(10), Shots((0, 4))).at == (0, 3, 4, 9)


def test_what_a_camera_that_draws_back_shows_is_new() -> None:
    """Nothing is hidden, and the border is new in each frame."""
    places = torch.linspace(-1, 1, 32)
    inwards = torch.stack(torch.broadcast_tensors(-places[None, :], -places[:, None]))
    there = inwards.expand(9, 2, 32, 32).contiguous()
    keys = by_content(Flow.both_ways(there, -there))
    assert 2 < len(keys) < 10


@pytest.mark.parametrize("gap", [2, 3, 7, 8, 13, 16])
def test_level_by_level_each_frame_comes_once_beside_two_that_are_there(gap: int) -> None:
    keys = KeyFrames((0, 1, 1 + gap, 4 + gap))
    assert list(keys.levels(recursive=False)) == [keys.segments]
    there, levels = set(keys.at), list(keys.levels(recursive=True))
    assert len(levels) == ceil(log2(max(gap, 3)))
    for groups in levels:
        added = set()
        for first, middle, last in groups:
            assert {first, last} <= there
            assert abs((last - middle) - (middle - first)) <= 1
            added.add(middle)
        assert not added & there
        there |= added
    assert there == set(range(5 + gap))
    assert not list(KeyFrames((0, 1, 2)).levels(recursive=True))
    assert not list(KeyFrames((0, 1, 2)).levels(recursive=False))


@pytest.mark.parametrize("parts", [1, 2, 3, 5])
def test_parts_hold_all_that_lies_between_once(parts: int) -> None:
    keys = KeyFrames((0, 3, 4, 6, 9, 20, 21))
    found = [part for number in range(parts) if (part := keys.part(number, parts)) is not None]
    assert [frame for part in found for frame in part.others] == keys.others
    assert all(set(part.at) <= set(keys.at) for part in found)
    assert len(found) == min(parts, 4)
