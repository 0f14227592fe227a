"""Numbers that vary in time."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedit import timeline
from vedit.errors import ConfigError
from vedit.timeline import EASINGS, FEATURES, Moments, read

PLAIN = Moments(9, Fraction(4))
HEARD = Moments(
    5,
    Fraction(4),
    {name: [0.0, 0.25, 0.5, 0.75, 1.0] for name in FEATURES},
    beats=[0.0, 0.5, 1.0, 1.5, 2.0],
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("6", [6] * 9),
        (2.5, [2.5] * 9),
        ("-1e-1", [-0.1] * 9),
        ("f", list(range(9))),
        ("t", [frame / 4 for frame in range(9)]),
        ("1 + 2*t", [1 + frame / 2 for frame in range(9)]),
        ("clip(f - 4, -1, 1)", [-1, -1, -1, -1, 0, 1, 1, 1, 1]),
        ("max(2, f, 5) % 3", [max(5, frame) % 3 for frame in range(9)]),
        ("-f ** 2", [-(frame**2) for frame in range(9)]),
        ("cos(2 * pi * t)", [math.cos(math.pi * frame / 2) for frame in range(9)]),
        ("0:1, 4:3, 8:1", [1, 1.5, 2, 2.5, 3, 2.5, 2, 1.5, 1]),
        ("0:(1), 4: ( 3 ), 8:(1):linear", [1, 1.5, 2, 2.5, 3, 2.5, 2, 1.5, 1]),  # as deforum writes them
        ("0s:0, 1s:4", [0, 1, 2, 3, 4, 4, 4, 4, 4]),
        ("0:0, 1s:4", [0, 1, 2, 3, 4, 4, 4, 4, 4]),  # zero is the same in all units
        ("2:0, 1s:4, 8:0", [0, 0, 0, 2, 4, 3, 2, 1, 0]),
        ("2:5", [5] * 9),
        ("0:0, 4:8:hold, 5:0", [0, 0, 0, 0, 8, 0, 0, 0, 0]),
        ("0:0, 4:1:smooth", [0, 0.15625, 0.5, 0.84375, 1, 1, 1, 1, 1]),
    ],
)
def test_what_is_written_is_what_comes_out(text: str | float, expected: list[float]) -> None:
    assert read(text).values(PLAIN) == pytest.approx(expected)


def test_what_is_heard_is_in_it() -> None:
    assert read("loudness").values(HEARD) == [0, 0.25, 0.5, 0.75, 1]
    assert read("0.5 + bass * treble").values(HEARD) == pytest.approx([0.5, 0.5625, 0.75, 1.0625, 1.5])
    assert read("0b:0, 2b:1").values(HEARD) == [0, 0.25, 0.5, 0.75, 1]
    assert read("b").needs == {"b"}
    assert read("1 + onset").needs == {"onset"}


def test_frames_seconds_and_beats_in_one() -> None:
    assert read("0:1, 0.5s:0, 2b:1").values(HEARD) == pytest.approx([1, 0.5, 0, 0.5, 1])
    assert read("0:0, 2:2, 3b:6").values(HEARD) == pytest.approx([0, 1, 2, 3, 4])  # the third beat is in frame 6
    assert HEARD.frame_at(-1, "b") == 0
    assert HEARD.on_beats() == [0, 2]
    assert PLAIN.on_beats() == []
    assert [HEARD.frame_at(time, "b") for time in (0.75, 2, 2.5)] == pytest.approx([1.5, 4, 5])
    with pytest.raises(ConfigError, match=r"'1s:1, 2:0' has '2:0' no later than the keyframe before"):
        read("1s:1, 2:0").values(HEARD)
    with pytest.raises(ConfigError, match="needs beats"):
        read("0:1, 2s:0.4, 8b:1").values(PLAIN)


def test_a_time_that_is_written_says_its_frame() -> None:
    assert [HEARD.frame_of(each, "first") for each in ("3", "3f", "0.5s", "2b", "0.6b", "1e300s")] == [
        3,
        3,
        round(0.5 * HEARD.rate),
        4,
        2,
        round(1e9 * HEARD.rate),
    ]
    with pytest.raises(ConfigError, match=r"^first: '8b' counts beats, and no sound says them"):
        PLAIN.frame_of("8b", "first")


@pytest.mark.parametrize(
    ("text", "said"), [("loudness", "needs loudness"), ("b / 4", "needs beats"), ("1b:2", "needs beats")]
)
def test_what_is_not_heard_is_told(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read(text).values(PLAIN)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("loudnes", "did you mean 'loudness'"),
        ("sine(t)", "did you mean 'sin'"),
        ("min(1)", "gives min 1 numbers; expected 2 to 8"),
        ("0:1, 2x:3", "the keyframe '2x:3'"),
        ("0:(1, 2:3", "the keyframe '0:(1'"),
        ("0:(1+sin(t)), 4:(2)", "an expression stands alone"),
        ("4:1, 2:3", "has '2:3' no later"),
        ("2s:1, 1s:0:smooth", "has '1s:0:smooth' no later"),
        ("1e400", "is not a number that can be reached"),
        ("0:1, 2:3:smoth", "did you mean 'smooth'"),
        ("1 +", "cannot be read"),
        ("t if t else 1", "expected numbers, names"),
        ("'a'", "expected numbers, names"),
        ("True", "expected numbers, names"),
        ("().__class__", "expected numbers, names"),
        ("__import__('os')", "calls '__import__'"),
        ("-" * 300 + "1", "301 characters; expected an expression of at most 300"),
        (",".join(f"{frame}:1" for frame in range(1001)), "1,001 keyframes; expected at most 1,000"),
    ],
)
def test_what_is_wrong_is_told(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("(", r"\(").replace(")", r"\)")):
        read(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 / f", "no value in frame 0"),
        ("sqrt(1 - f)", "no value in frame 2"),
        ("9 ** 9 ** 9", "no value in frame 0"),
        ("1e308 * 10", "in frame 0: it grows too large"),
        ("10**400", "in frame 0: it grows too large"),
        ("(-1)**0.5", "in frame 0: it takes the root of a negative number"),
        ("f * 10", "is 20 in frame 2; expected 0 to 10"),
        ("(-1) ** 0.5", "no value in frame 0"),
    ],
)
def test_a_value_that_cannot_be_is_told_with_its_frame(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read(text).values(PLAIN, low=0, high=10)


@given(st.lists(st.tuples(st.integers(0, 400), st.floats(-9, 9)), min_size=1, max_size=6, unique_by=lambda key: key[0]))
def test_keyframes_are_met_and_never_left(keys: list[tuple[int, float]]) -> None:
    keys = sorted(keys)
    for easing in EASINGS:
        text = ", ".join(f"{time}:{value!r}:{easing}" for time, value in keys)
        found = read(text).values(Moments(402, Fraction(24)))
        assert all(found[time] == pytest.approx(value) for time, value in keys)
        assert min(value for _, value in keys) - 1e-9 <= min(found)
        assert max(found) <= max(value for _, value in keys) + 1e-9


@given(st.text(max_size=40))
def test_no_text_does_worse_than_a_value_error(text: str) -> None:
    try:
        line = read(text)
    except ValueError:
        return
    assert isinstance(line, timeline.Timeline)


def test_the_deepest_expression_has_a_value() -> None:
    assert read("-" * 299 + "1").values(PLAIN) == [-1] * 9
    assert read("abs(" * 59 + "-1" + ")" * 59).values(PLAIN) == [1] * 9


def test_only_a_number_is_constant() -> None:
    assert read("6").constant == 6
    assert read("0:6").constant is None
    assert read("t").constant is None


def test_a_stretch_has_the_numbers_of_the_whole_clip() -> None:
    for text in ("f", "t", "1+loudness", "0:0, 3:6", "0:0, 1b:6", "b", "0:1, 0.5s:2, 2b:4"):
        line = read(text)
        whole = line.values(HEARD)
        cut = HEARD.stretch(slice(2, 4))
        assert line.values(cut) == whole[2:4]
        assert line.values(cut.from_start) == whole[:4]
