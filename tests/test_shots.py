"""Shots tile a clip, and what is seen of it crosses no cut."""

import pytest

from vedit.shots import ONE_SHOT, Shots
from vedit.windows import Windows, views


def test_shots_tile_a_clip() -> None:
    assert ONE_SHOT.spans(7) == [slice(0, 7)]
    assert Shots((0, 3, 4)).spans(9) == [slice(0, 3), slice(3, 4), slice(4, 9)]


@pytest.mark.parametrize("starts", [(), (1,), (0, 0), (0, 5, 3)])
def test_what_cannot_be(starts: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="each after the other"):
        Shots(starts)


@pytest.mark.parametrize("windows", [None, Windows(8, 2), Windows(4, 1)])
def test_no_window_crosses_a_cut(windows: Windows | None) -> None:
    shots, frames = Shots((0, 1, 9, 30)), 40
    for step in range(10):
        seen = views(windows, shots, frames, step)
        for own, span in zip(seen, shots.spans(frames), strict=True):
            assert own[0].first == span.start
            assert all(span.start <= each.first < each.last <= span.stop for each in own)
        taken = [frame for own in seen for each in own for frame in range(each.start, each.stop)]
        assert taken == list(range(frames))
    assert all(len(own) == 1 for own in views(None, shots, frames, 0))
