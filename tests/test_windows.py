"""Windows cover a clip, each frame once, and move from step to step."""

from itertools import pairwise

import pytest

from vedit.errors import ConfigError
from vedit.windows import Turn, Windows, strided

SIZES = [(2, 1), (3, 1), (4, 2), (5, 2), (8, 1), (8, 4), (16, 4), (16, 8), (24, 6)]


@pytest.mark.parametrize(("size", "overlap"), SIZES)
def test_each_frame_is_taken_once_beside_the_one_before_it(size: int, overlap: int) -> None:
    windows = Windows(size, overlap)
    for frames in (*range(size + 1, 3 * size + 2), 97):
        for step in range(30):
            found = windows.of_step(frames, step)
            taken = [frame for each in found for frame in range(each.start, each.stop)]
            assert taken == list(range(frames))
            assert found[0].first == 0
            for each in found:
                assert each.last - each.first == size
                assert 0 <= each.first <= each.start < each.stop <= each.last <= frames
                assert each.first < each.start or each.start == 0
                assert each.frames[each.taken] == range(each.start, each.stop)


def test_a_clip_that_fits_is_one_window() -> None:
    for frames in (1, 2, 15, 16):
        (only,) = Windows(16, 4).of_step(frames, 3)
        assert (only.frames, only.taken) == (range(frames), slice(0, frames))


def test_seams_visit_every_frame_and_do_not_stay() -> None:
    windows, frames, steps = Windows(16, 4), 96, 25
    cuts = [{each.start for each in windows.of_step(frames, step)[1:]} for step in range(steps)]
    often = [sum(frame in each for each in cuts) for frame in range(frames)]
    assert max(often) <= 0.4 * steps
    assert sum(count > 0 for count in often) > 0.8 * frames
    assert all(one != other for one, other in pairwise(cuts))


def test_more_windows_than_needed_are_few() -> None:
    for frames in (17, 40, 96, 500):
        least = 1 + -(-(frames - 16) // 12)
        assert least <= Windows(16, 4).count(frames) <= least + 1


def test_chunks_lie_side_by_side() -> None:
    assert list(Windows(4, 1).chunks(10)) == [slice(0, 4), slice(4, 8), slice(8, 10)]


def test_the_usual_overlap_is_a_quarter() -> None:
    assert Windows.of(16) == Windows(16, 4)
    assert Windows.of(2) == Windows(2, 1)
    assert Windows.of(16, 8) == Windows(16, 8)


@pytest.mark.parametrize(("size", "overlap"), [(1, 1), (0, 1), (16, 0), (16, -1), (16, 9), (5, 3)])
def test_what_cannot_be(size: int, overlap: int) -> None:
    with pytest.raises(ConfigError, match=r"expected"):
        Windows(size, overlap)


@pytest.mark.parametrize(("frames", "shared"), [(1, 0), (5, 0), (5, 1), (16, 1), (16, 8), (40, 4)])
def test_a_turn_takes_each_frame_once_beside_the_one_before_it(frames: int, shared: int) -> None:
    begins = set()
    for step in range(30):
        turn = Turn.of_step(frames, shared, step)
        assert sorted(turn.taken) == list(range(frames))
        assert all((one + 1) % frames == other for one, other in pairwise(turn.order))
        assert turn.start >= min(shared, 1)
        begins.add(turn.order[0])
    assert len(begins) > min(frames, 30) / 2, "no frame stays an end"


@pytest.mark.parametrize(("frames", "groups"), [(16, 1), (17, 2), (64, 4), (65, 5)])
def test_strided_groups_reach_over_the_clip(frames: int, groups: int) -> None:
    found = strided(frames, 16)
    assert len(found) == groups
    assert sorted(index for group in found for index in group) == list(range(frames))
    assert all(later - earlier == groups for group in found for earlier, later in pairwise(group))
    assert max(map(len, found)) <= 16
