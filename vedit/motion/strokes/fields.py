"""Types of a strokes file's single fields: points, times, masks, names."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from vedit.config import Varying, box_of
from vedit.config.fields import NUMBER, Range
from vedit.config.paths import IsPath, local_path

LONGEST_SIDE = 65_536
"""Pixels."""

LONGEST_PAN = 1e6
"""In the units of the file's coordinates."""

MOST_CORNERS = 2_000
"""Of the outline that a mask is."""

LONGEST_NAME = 60
"""Characters."""

LONGEST_TIME = 60
"""Characters."""

WORD = "word:"
"""Before the word that a mask is found by."""

UNITS = {"": "f", "f": "f", "s": "t", "b": "b"}
"""Of times, as they are written and as ``Moments`` knows them."""

EXPECTED_TIME = "expected frames (12), seconds (2s) or beats (4b)"

_TIME = re.compile(rf"\s*({NUMBER.pattern})\s*([A-Za-z]*)\s*")

Point = tuple[float, float]


def number_of(value: Any) -> float:
    """A finite number. Raises ValueError for anything else."""
    if isinstance(value, str):  # YAML takes 1e-05, as JSON writes it, for text
        try:
            value = float(value)
        except ValueError:
            raise ValueError(f"holds {value[:20]!r}, which is not a number") from None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"holds {str(value)[:20]!r}, which is not a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"holds {str(value)[:20]}, which is not a number that can be reached")
    return number


def point_of(value: Any) -> Point:
    """A point [x, y]. Raises ValueError."""
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise ValueError(f"holds {str(value)[:30]}, which is no point; expected [x, y]")
    return number_of(value[0]), number_of(value[1])


def points_of(value: Any) -> tuple[Point, ...]:
    """A list of points. Raises ValueError."""
    if not isinstance(value, (list, tuple)):
        raise ValueError("is no list of points; expected [[x, y], [x, y], ...]")
    return tuple(point_of(each) for each in value)


def time_of(text: str) -> tuple[float, str]:
    """A time and its unit, which is that of ``Moments``: "f", "t" or "b". Raises ValueError."""
    found = _TIME.fullmatch(text[: LONGEST_TIME + 1])
    if found is None or len(text) > LONGEST_TIME:
        raise ValueError(f"holds '{text[:20]}', which is no time; {EXPECTED_TIME}")
    number, unit = float(found[1]), found[3]
    if unit not in UNITS:
        raise ValueError(f"holds '{text[:20]}' of an unknown unit; {EXPECTED_TIME}")
    if not 0 <= number <= 1e7:
        raise ValueError(f"holds '{text[:20]}', which is out of range; expected 0 or more")
    return number, UNITS[unit]


def _times(value: Any) -> Any:
    if value is None:
        return None
    if not isinstance(value, (list, tuple)):
        raise ValueError("is no list of times; expected one for each point, such as [0, 1s, 4b]")
    for each in value:
        if isinstance(each, bool) or not isinstance(each, (int, float, str)):
            raise ValueError(f"holds {str(each)[:20]}, which is no time; {EXPECTED_TIME}")
        time_of(f"{number_of(each):.17g}" if isinstance(each, (int, float)) else each)
    return tuple(str(each) for each in value)


def _mask(value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, (list, tuple)):
        corners = points_of(value)
        if not 3 <= len(corners) <= MOST_CORNERS:
            raise ValueError(f"is an outline of {len(corners)} corners; expected 3 to {MOST_CORNERS:,}")
        return corners
    if not isinstance(value, str):
        raise ValueError("is no mask; expected a picture, box:X,Y,W,H, word:WORD, or the corners of an outline")
    if value.startswith("box:"):
        box_of(value)
        return value
    if (word := word_of(value)) is not None:
        if not word:
            raise ValueError("names no word; expected word:WORD, a word of the prompt that says what is seen")
        return f"{WORD}{word}"
    return str(local_path(value))


def is_box(text: str) -> bool:
    """Whether a mask's text is a box."""
    return text.startswith("box:")


def word_of(mask: str | Sequence[Point] | None) -> str | None:
    """The word, or several in a row, that a mask is found by; None for a mask that is given otherwise."""
    named = isinstance(mask, str) and mask.startswith(WORD)
    return mask.removeprefix(WORD).strip() if named and isinstance(mask, str) else None


def is_no_path(text: str) -> bool:
    """Whether a mask's text is something else than a path."""
    return text.startswith(("box:", WORD))


def _pan(value: Any) -> Any:
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise ValueError("is no pan; expected [x, y], each a number or a timeline")
    return tuple(PAN(each) for each in value)


def _name(value: Any) -> Any:
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip() or not value.isprintable() or len(value) > LONGEST_NAME:
        raise ValueError(f"is no name; expected text of 1 to {LONGEST_NAME} characters, in quotes where it is a number")
    return value


PAN = Range(-LONGEST_PAN, LONGEST_PAN)

Points = Annotated[tuple[Point, ...], Field()]
Times = Annotated[tuple[str, ...] | None, BeforeValidator(_times)]
Mask = Annotated[str | tuple[Point, ...] | None, BeforeValidator(_mask), IsPath(keyword=is_no_path)]
Radius = Annotated[float | None, Field(gt=0, le=LONGEST_SIDE)]
Pan = Annotated[tuple[Varying, Varying], BeforeValidator(_pan)]
Name = Annotated[str | None, BeforeValidator(_name)]
