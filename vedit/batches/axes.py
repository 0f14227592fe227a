"""One written job multiplied: each combination of its clips, its products and its sweeps."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from itertools import product
from math import prod
from typing import Any, get_args

from vedit.batches.wildcards import matches, patterns_in
from vedit.batches.written import MOST_JOBS, Level, Written, by_name
from vedit.config import Settings
from vedit.config.faults import cut
from vedit.synonyms import nearest

SEVERAL = "; several settings that vary together are given as 'label: {setting: value}'"

_NUMBER = r"([-+]?(?:\d{1,30}(?:\.\d{0,30})?|\.\d{1,30})(?:[eE][-+]?\d{1,2})?)"
_SWEEP = re.compile(rf"\s*{_NUMBER}\s*\.\.\s*{_NUMBER}\s*(?:/\s*(\d{{1,9}})\s*)?", re.ASCII)


@dataclass(frozen=True)
class Choice:
    """One value of an axis.

    Attributes:
        settings: what it sets
        name: what names of outputs call it; None for the value of the setting itself
    """

    settings: Written
    name: str | None = None


@dataclass(frozen=True)
class Axis:
    """A list of choices, each of which is taken.

    Attributes:
        name: the setting that varies, or what several that vary together are called
        choices: at least one
        level: the number of the level that it is written in
    """

    name: str
    choices: tuple[Choice, ...]
    level: int

    @property
    def is_named(self) -> bool:
        """Whether names of outputs call its choices otherwise than by the setting's value."""
        return self.choices[0].name is not None


@dataclass(frozen=True)
class Combination:
    """A choice of each axis.

    Attributes:
        layers: what is set, later ones win
        names: of the axes with names of their own, what their choices are called
    """

    layers: tuple[Written, ...]
    names: dict[str, str]


def axes_of(levels: Sequence[Level], kind: type[Settings], faults: list[str]) -> tuple[list[Axis], set[str]]:
    """The axes of a job, the outermost first, and the settings that have no value since something is wrong with their
    axis; what is wrong is added to ``faults``.

    What a later level settles, by a value or by an axis, is not looked at in an earlier one.
    """
    axes, lost = list[Axis](), set[str]()
    for number, level in enumerate(levels):
        later = {name for each in levels[number + 1 :] for name in each.names}
        for name, choices in _axes_in(level, later, kind, faults):
            if choices:
                axes.append(Axis(name, tuple(choices), number))
            else:
                lost |= {name} if name in kind.model_fields else {*kind.model_fields}
    return axes, lost


def count(axes: Sequence[Axis]) -> int:
    """How many combinations the axes have."""
    return prod(len(axis.choices) for axis in axes)


def combinations(levels: Sequence[Level], axes: Sequence[Axis]) -> Iterator[Combination]:
    """All combinations of the axes' choices, the last axis varying first."""
    for chosen in product(*(axis.choices for axis in axes)):
        yield _combined(levels, axes, chosen)


def each_choice(levels: Sequence[Level], axes: Sequence[Axis]) -> Iterator[Combination]:
    """Combinations in which each choice is taken at least once: as few as there are choices."""
    first = tuple(axis.choices[0] for axis in axes)
    yield _combined(levels, axes, first)
    for index, axis in enumerate(axes):
        for other in axis.choices[1:]:
            yield _combined(levels, axes, (*first[:index], other, *first[index + 1 :]))


def _combined(levels: Sequence[Level], axes: Sequence[Axis], chosen: Sequence[Choice]) -> Combination:
    """A choice of each axis: those of a level win over its plain settings, and over all of the levels before."""
    layers = list[Written]()
    for number, level in enumerate(levels):
        layers.append(level.settings)
        layers += [each.settings for axis, each in zip(axes, chosen, strict=True) if axis.level == number]
    names = {axis.name: each.name for axis, each in zip(axes, chosen, strict=True) if each.name is not None}
    return Combination(tuple(layers), names)


def _axes_in(
    level: Level, later: set[str], kind: type[Settings], faults: list[str]
) -> Iterator[tuple[str, list[Choice]]]:
    """The axes that are written in one level, by their names; one without choices for each that is wrong."""
    own = level.settings
    for name in patterns_in(own, kind):
        if name not in later:
            yield name, _listed(name, [own.values[name]], own, kind, faults)
    settled = {*own.values}
    for way, written in level.axes.items():
        for name, values in written.values.items():
            if name in later:
                continue
            if name in settled:
                faults.append(f"{written.label(cut(name))}: it is given in two ways; leave one out")
            else:
                yield name, {"product": _axis, "sweep": _sweep}[way](name, values, written, kind, faults)
            settled.add(name)


def _axis(name: str, values: Any, written: Written, kind: type[Settings], faults: list[str]) -> list[Choice]:
    """``name: [value, ...]``, or ``name: {label: value, ...}`` where a value may be a mapping of several settings."""
    if not isinstance(values, (list, dict)) or not values:
        given = "nothing" if values in (None, [], {}) else cut(repr(values))
        advice = "; such numbers stand under 'sweep'" if _SWEEP.fullmatch(str(values)) else ""
        faults.append(f"{written.label(cut(name))}: {given} is no list of values; expected [one, another]{advice}")
    elif len(values) > MOST_JOBS:
        faults.append(f"{written.label(cut(name))}: {len(values):,} values; expected at most {MOST_JOBS:,}")
    elif isinstance(values, list):
        return _listed(name, values, written, kind, faults)
    else:
        return _labelled(name, values, written, kind, faults)
    return []


def _listed(name: str, values: list[Any], written: Written, kind: type[Settings], faults: list[str]) -> list[Choice]:
    if not _known(name, written, kind, faults, SEVERAL):
        return []
    placed = (written.within(name, str(index), values={name: value}) for index, value in enumerate(values))
    return [choice for each in placed for choice in _found(each, kind, faults)]


def _labelled(
    name: str, values: dict[Any, Any], written: Written, kind: type[Settings], faults: list[str]
) -> list[Choice]:
    if not name.isidentifier():
        faults.append(f"{written.label(cut(name))}: expected a name of letters, digits and _, to be used as {{look}}")
        return []
    if not all(isinstance(each, dict) for each in values.values()) and not _known(name, written, kind, faults, SEVERAL):
        return []
    found = []
    for label, value in values.items():
        placed = written.within(name, str(label), values={name: value})
        if isinstance(value, dict):
            placed = replace(placed, values=by_name(value, placed, faults))
        found += _found(placed, kind, faults, str(label))
    return found


def _sweep(name: str, value: Any, written: Written, kind: type[Settings], faults: list[str]) -> list[Choice]:
    """``name: 0.5..0.9/5``, five numbers at equal distances; or ``0..3``, whole numbers."""
    if not _known(name, written, kind, faults):
        return []
    label, expected = written.label(name), "expected FROM..TO/HOW_MANY, such as 0.5..0.9/5, or whole numbers: 0..3"
    if not _holds_numbers(kind.model_fields[name].annotation):
        faults.append(f"{label}: it is no number, and cannot be swept; list its values under 'product'")
        return []
    if (match := _SWEEP.fullmatch(str(value))) is None:
        faults.append(f"{label}: {cut(repr(value))} is no sweep; {expected}")
        return []
    low, high = Fraction(Decimal(match[1])), Fraction(Decimal(match[2]))
    whole = low.denominator == high.denominator == 1
    number = int(match[3]) if match[3] else int(abs(high - low)) + 1 if whole else None
    if number is None:
        faults.append(f"{label}: {cut(repr(value))} does not say how many values; {expected}")
        return []
    if not 1 <= number <= MOST_JOBS:
        faults.append(f"{label}: {cut(repr(value))} has {number:,} values; expected 1..{MOST_JOBS:,}")
        return []
    steps = (low + (high - low) * Fraction(index, max(number - 1, 1)) for index in range(number))
    numbers = [int(each) if each.denominator == 1 else float(each) for each in steps]
    return [Choice(written.within(name, values={name: each})) for each in numbers]


def _holds_numbers(annotation: Any) -> bool:
    return annotation in (int, float) or any(_holds_numbers(each) for each in get_args(annotation))


def _known(name: str, written: Written, kind: type[Settings], faults: list[str], hint: str = "") -> bool:
    known = [each for each in kind.model_fields if each not in kind.transient]
    if name in known:
        return True
    faults.append(f"{written.label(cut(name))}: there is no such setting; {nearest(cut(name), known)}{hint}")
    return False


def _found(
    written: Written,
    kind: type[Settings],
    faults: list[str],
    label: str | None = None,
    matched: frozenset[str] = frozenset(),
) -> list[Choice]:
    """A choice; for a pattern one for each file that it matches, in the order of their names. The settings ``matched``
    are no patterns any more."""
    patterns = [name for name in patterns_in(written, kind) if name not in matched]
    if not patterns:
        return [Choice(written, label)]
    name, choices = patterns[0], list[Choice]()
    for path in matches(written, name, faults):
        placed = replace(written, values={**written.values, name: str(path)})
        named = label if label is None else f"{label}-{path.stem}"
        choices += _found(placed, kind, faults, named, matched | {name})
    return choices
