"""Numbers that vary in time: a constant, keyframes, an expression of the time and of what is heard, or a feature.

``6``; ``0:1, 2s:0.4, 8b:1:smooth`` (keyframes at a frame, a second, a beat, each with the easing of the way to it);
``1 + 2*percussive`` or ``clip(sin(t), 0, 1)``; ``loudness``. Expressions are arithmetic over a list of names, read into
a tree of our own: no code is run.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from fractions import Fraction
from itertools import pairwise

from vedit.errors import ConfigError

CHROMA = tuple(f"chroma_{pitch}" for pitch in ("c", "cs", "d", "ds", "e", "f", "fs", "g", "gs", "a", "as", "b"))
"""Of what is heard, the pitch classes: C, C sharp and so on."""

FEATURES = ("loudness", "percussive", "bass", "mid", "treble", "onset", "beat", "centroid", *CHROMA)
"""What is heard, each 0 to 1 in every frame: ``vedit.audio``."""

EASINGS: Mapping[str, Callable[[float], float]] = {
    "linear": lambda u: u,
    "smooth": lambda u: u * u * (3 - 2 * u),
    "in": lambda u: u * u,
    "out": lambda u: u * (2 - u),
    "hold": lambda u: 0.0,
}
"""How the way to a keyframe is gone: the share of the change at each share of the time."""

LONGEST = 300
"""Characters of an expression: its parts lie within each other, and Python goes only so deep."""

MOST_KEYS = 1000
"""Keyframes of a timeline."""

BEYOND = 1e9
"""Where times end that are further on, in their unit: past all clips, and a whole number still."""

LONGEST_KEY = 200
"""Characters of a keyframe."""

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_KEY = re.compile(rf"\s*({_NUMBER})\s*([fsb]?)\s*:\s*(\()?\s*({_NUMBER})\s*(?(3)\))\s*(?::\s*(\w+)\s*)?")
"""A value may stand in brackets, as deforum writes it: 0:(1), 10:(0.4)."""

_CONSTANTS = {"pi": math.pi}
_TIMES = {"t": "seconds", "f": "frames", "b": "beats"}
_FUNCTIONS: Mapping[str, tuple[int, int, Callable[..., float]]] = {
    "sin": (1, 1, math.sin),
    "cos": (1, 1, math.cos),
    "abs": (1, 1, abs),
    "sqrt": (1, 1, math.sqrt),
    "exp": (1, 1, math.exp),
    "floor": (1, 1, math.floor),
    "min": (2, 8, min),
    "max": (2, 8, max),
    "clip": (3, 3, lambda x, low, high: min(max(x, low), high)),
}
"""Names that may be called: least and most arguments, and what they do."""

_OPERATORS: Mapping[type[ast.AST], Callable[..., float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
}

Names = Mapping[str, float]
Value = Callable[[Names], float]


@dataclass(frozen=True, eq=False)
class Moments:
    """The frames that a timeline is asked for: how many, at which rate, and what is heard in each.

    rate: frames per second
    features: (F,) each, under the names of ``FEATURES``; empty where there is no sound
    beats: (F,) where in the beats each frame lies, 0 at the first; None where there are none
    begin: how many frames of the clip lie before these; features, beats and all times are those of the whole clip
    """

    frames: int
    rate: Fraction
    features: Mapping[str, Sequence[float]] = field(default_factory=dict)
    beats: Sequence[float] | None = None
    begin: int = 0

    def stretch(self, frames: slice) -> Moments:
        """Some of the frames, at the times that they have here."""
        return replace(self, begin=self.begin + frames.start, frames=frames.stop - frames.start)

    @property
    def from_start(self) -> Moments:
        """These frames, and those of the clip before them."""
        return replace(self, begin=0, frames=self.begin + self.frames)

    def names(self, frame: int) -> dict[str, float]:
        """What the names of an expression stand for in a frame."""
        frame += self.begin
        heard = {name: float(curve[frame]) for name, curve in self.features.items()}
        beat = {} if self.beats is None else {"b": float(self.beats[frame])}
        return {"t": float(frame / self.rate), "f": float(frame), **beat, **heard}

    def on_beats(self) -> list[int]:
        """The frames in whose time a beat falls."""
        beats = [] if self.beats is None else [math.ceil(beat - 1e-6) for beat in self.beats]
        return [frame for frame, (now, then) in enumerate(pairwise(beats)) if then > now]

    def frame_at(self, time: float, unit: str) -> float:
        """The clip's frame, and the share of the way to the next, at a time in frames ("f"), seconds ("t") or beats
        ("b").

        Beats before the first frame lie at it; those after the last go on at the mean pace until then.
        """
        if unit != "b":
            return time * float(self.rate) if unit == "t" else time
        assert self.beats is not None
        last, beats = len(self.beats) - 1, self.beats
        if time <= beats[-1]:
            after = bisect_left(beats, time)
            if after == 0:
                return 0.0
            return after - 1 + (time - beats[after - 1]) / (beats[after] - beats[after - 1])
        pace = (beats[-1] - beats[0]) / max(last, 1)
        return last + (time - beats[-1]) / max(pace, 1e-6)

    def frame_of(self, written: str, setting: str) -> int:
        """The frame of a time as it is written in a ``setting``: in frames (12), seconds (2s) or beats (8b: the first
        frame that is not before it). Raises ConfigError where nobody knows the beats."""
        unit = {"s": "t", "b": "b"}.get(written[-1], "f")
        if unit == "b" and self.beats is None:
            raise ConfigError(f"{setting}: '{written}' counts beats, and no sound says them; give --audio, or --bpm.")
        position = self.frame_at(min(float(written.rstrip("fsb")), BEYOND), unit)
        return math.ceil(position - 1e-6) if unit == "b" else round(position)


@dataclass(frozen=True)
class Timeline:
    """A number in each frame. Made by ``read``."""

    text: str
    over: Callable[[Moments], Value] = field(compare=False, repr=False)
    """For the frames of a clip, the function that says the number of each from its names."""
    needs: frozenset[str] = frozenset()
    """Names of features that it is made of, and "b" where it counts beats."""

    @property
    def constant(self) -> float | None:
        """The number, where it is the same in all frames whatever they are."""
        try:
            return float(self.text)
        except ValueError:
            return None

    def values(self, moments: Moments, *, low: float = -math.inf, high: float = math.inf) -> list[float]:
        """The number of every frame (F,). Raises ConfigError where it needs what is not heard, where it has no value,
        and where it leaves the range from ``low`` to ``high``."""
        lacking = sorted(self.needs - moments.names(0).keys())
        if lacking:
            what = ", ".join("beats" if name == "b" else name for name in lacking)
            if moments.features:
                raise ConfigError(f"the timeline '{self.text}' needs {what}, and none are heard; give the --bpm.")
            more = ", or the --bpm" if lacking == ["b"] else ""
            raise ConfigError(
                f"the timeline '{self.text}' needs {what}, and there is no sound; give one with --audio{more}."
            )
        found = []
        try:
            value_at = self.over(moments)
        except ValueError as error:
            raise ConfigError(f"the timeline '{self.text}' {error}.") from error
        for frame in range(moments.frames):
            at = moments.begin + frame
            try:
                value = float(value_at(moments.names(frame)))
            except (ArithmeticError, ValueError, TypeError) as error:
                # The root of a negative is complex, which no function and no comparison takes.
                why = "it grows too large" if isinstance(error, OverflowError) else str(error)
                why = "it takes the root of a negative number" if isinstance(error, TypeError) else why
                raise ConfigError(f"the timeline '{self.text}' has no value in frame {at}: {why}.") from error
            if not math.isfinite(value):
                raise ConfigError(f"the timeline '{self.text}' has no value in frame {at}: it grows too large.")
            if not low <= value <= high:
                raise ConfigError(
                    f"the timeline '{self.text}' is {value:g} in frame {at}; expected {low:g} to {high:g}. "
                    f"clip(..., {low:g}, {high:g}) keeps it there."
                )
            found.append(value)
        return found


def read(text: str | float) -> Timeline:
    """What a timeline's text means. Raises ValueError, saying what is wrong with it."""
    text = str(text).strip()
    if not text:
        raise ValueError("is empty; expected a number, keyframes such as 0:1, 2s:0.4, or an expression")
    try:
        endless = not math.isfinite(float(text))
    except ValueError:
        endless = False
    if endless:
        raise ValueError("is not a number that can be reached")
    if ":" in text:
        return _keyframes(text)
    if len(text) > LONGEST:
        raise ValueError(f"has {len(text):,} characters; expected an expression of at most {LONGEST}")
    needs: set[str] = set()
    try:
        value = _value(ast.parse(text, mode="eval").body, needs)
    except (SyntaxError, RecursionError, MemoryError, OverflowError) as error:
        raise ValueError(
            "cannot be read; expected a number, keyframes such as 0:1, 2s:0.4, or an expression"
        ) from error
    return Timeline(text, lambda moments: value, frozenset(needs))


def _keyframes(text: str) -> Timeline:
    keys: list[_Key] = []
    parts = text.split(",")
    if len(parts) > MOST_KEYS:
        raise ValueError(f"has {len(parts):,} keyframes; expected at most {MOST_KEYS:,}")
    for part in parts:
        found = _KEY.fullmatch(part[: LONGEST_KEY + 1])
        if found is None or len(part) > LONGEST_KEY:
            alone = "; an expression stands alone, such as 1+0.5*sin(t)" if "(" in text else ""
            raise ValueError(
                f"has the keyframe '{part.strip()[:60]}'; expected TIME:VALUE, such as 12:0.4, 2s:0.4 or 8b:0.4{alone}"
            )
        time, unit, _, value, easing = found.groups()
        if easing is not None and easing not in EASINGS:
            raise ValueError(f"has the easing '{easing}'; {_near(easing, EASINGS)}")
        unit = {"": "f", "s": "t"}.get(unit, unit)
        keys.append(_Key(float(time), unit, float(value), easing or "linear", part.strip()))
    # Zero is the same moment in all of them.
    units = {key.unit for key in keys if key.time != 0} or {keys[0].unit}
    needs = frozenset(units & {"b"})
    if len(units) > 1:

        def over(moments: Moments) -> Value:
            return _between([moments.frame_at(key.time, key.unit) for key in keys], keys, "f")

        return Timeline(text, over, needs)
    value_at = _between([key.time for key in keys], keys, units.pop())
    return Timeline(text, lambda moments: value_at, needs)


@dataclass(frozen=True)
class _Key:
    time: float
    unit: str
    value: float
    easing: str
    text: str


def _between(times: Sequence[float], keys: Sequence[_Key], unit: str) -> Value:
    """The way from key to key, at ``times`` of one unit. Raises ValueError where they are not in order."""
    for (before, after), key in zip(pairwise(times), keys[1:], strict=True):
        if after <= before:
            raise ValueError(f"has '{key.text}' no later than the keyframe before; expected each after the other")

    def at(names: Names) -> float:
        now = names[unit]
        after = bisect_right(times, now)
        if after in (0, len(keys)):
            return keys[max(after - 1, 0)].value
        begin, end, one, other = times[after - 1], times[after], keys[after - 1].value, keys[after]
        return one + (other.value - one) * EASINGS[other.easing]((now - begin) / (end - begin))

    return at


def _value(node: ast.AST, needs: set[str]) -> Value:
    """A tree of an expression as a function of its names, which are added to ``needs``."""
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            held = float(number)
            return lambda names: held
        case ast.Name(id=name):
            if name in _CONSTANTS:
                known = _CONSTANTS[name]
                return lambda names: known
            if name not in (*_TIMES, *FEATURES):
                raise ValueError(f"speaks of '{name}'; {_near(name, (*_TIMES, *FEATURES, *_FUNCTIONS))}")
            needs |= {name} & {"b", *FEATURES}
            return lambda names: names[name]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            work, one, other = _OPERATORS[type(op)], _value(left, needs), _value(right, needs)
            return lambda names: work(one(names), other(names))
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _OPERATORS:
            work, inner = _OPERATORS[type(op)], _value(operand, needs)
            return lambda names: work(inner(names))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            if name not in _FUNCTIONS:
                raise ValueError(f"calls '{name}'; {_near(name, _FUNCTIONS)}")
            least, most, function = _FUNCTIONS[name]
            if not least <= len(arguments) <= most:
                wanted = str(least) if least == most else f"{least} to {most}"
                raise ValueError(f"gives {name} {len(arguments)} numbers; expected {wanted}")
            inner_values = [_value(each, needs) for each in arguments]
            return lambda names: function(*(each(names) for each in inner_values))
    raise ValueError(f"holds '{ast.unparse(node)}'; expected numbers, names, + - * / % ** and functions")


def _near(name: str, known: Sequence[str] | Mapping[str, object]) -> str:
    found = get_close_matches(name, known, n=1)
    return f"did you mean '{found[0]}'?" if found else f"expected one of {', '.join(known)}"
