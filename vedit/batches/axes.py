"""One written job multiplied: each combination of its clips, its products and its sweeps."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path
from typing import Any

from vedit.batches.written import Written, WrittenJob
from vedit.config import Settings
from vedit.config.faults import cut
from vedit.config.named_files import naming
from vedit.config.paths import absolute, expand_home, is_there
from vedit.synonyms import nearest

MOST_JOBS = 10_000
"""Jobs of one batch."""

_WILD = re.compile(r"[*?\[]")
_NUMBER = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
_SWEEP = re.compile(rf"\s*{_NUMBER}\s*\.\.\s*{_NUMBER}\s*(?:/\s*(\d{{1,6}})\s*)?")


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
    """

    name: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True)
class Combination:
    """A choice of each axis.

    Attributes:
        layers: what is set, later ones win
        names: of the axes with names of their own, what their choices are called
    """

    layers: tuple[Written, ...]
    names: dict[str, str]


def axes_of(job: WrittenJob, kind: type[Settings], faults: list[str]) -> list[Axis]:
    """The axes of a job, the outermost first; what is wrong is added to ``faults``."""
    axes: dict[str, Axis] = {}
    for layer in job.layers:
        for name in _wild(layer, kind):
            axes[name] = _listed(name, [layer.values[name]], layer, kind, faults)
    for written in job.axes.get("product", ()):
        for name, values in written.values.items():
            axes[name] = _axis(name, values, written, kind, faults)
    for written in job.axes.get("sweep", ()):
        for name, value in written.values.items():
            axes[name] = _sweep(name, value, written, kind, faults)
    return list(axes.values())


def combinations(job: WrittenJob, axes: list[Axis]) -> Iterator[Combination]:
    """All combinations of the axes' choices, the last axis varying first; no more than one above ``MOST_JOBS``."""
    for chosen in islice(product(*(axis.choices for axis in axes)), MOST_JOBS + 1):
        names = {axis.name: each.name for axis, each in zip(axes, chosen, strict=True) if each.name is not None}
        yield Combination((*job.layers, *(each.settings for each in chosen)), names)


def _axis(name: str, values: Any, written: Written, kind: type[Settings], faults: list[str]) -> Axis:
    """``name: [value, ...]``, or ``name: {label: value, ...}`` where a value may be a mapping of several settings."""
    if isinstance(values, dict) and values:
        choices: list[Choice] = []
        for label, value in values.items():
            several = isinstance(value, dict)
            if not several and not _known(name, written, kind, faults):
                return Axis(name, ())
            settings = {str(key): each for key, each in value.items()} if several else {name: value}
            choices += _found(_placed(settings, name, written), kind, faults, str(label))
        return Axis(name, tuple(choices))
    if not isinstance(values, list) or not values:
        given = "nothing" if values in (None, [], {}) else cut(repr(values))
        faults.append(f"{written.label(name)}: {given} is no list of values; expected [one, another]")
        return Axis(name, ())
    return _listed(name, values, written, kind, faults)


def _listed(name: str, values: list[Any], written: Written, kind: type[Settings], faults: list[str]) -> Axis:
    if not _known(name, written, kind, faults):
        return Axis(name, ())
    found = [
        choice for value in values for choice in _found(_placed({name: value}, name, written), kind, faults)
    ]  # fmt: skip
    return Axis(name, tuple(found))


def _sweep(name: str, value: Any, written: Written, kind: type[Settings], faults: list[str]) -> Axis:
    """``name: 0.5..0.9/5``, five numbers at equal distances; or ``0..3``, whole numbers."""
    if not _known(name, written, kind, faults):
        return Axis(name, ())
    match = _SWEEP.fullmatch(str(value))
    expected = "expected FROM..TO/HOW_MANY, such as 0.5..0.9/5, or whole numbers such as 0..3"
    if match is None:
        faults.append(f"{written.label(name)}: {cut(repr(value))} is no sweep; {expected}")
        return Axis(name, ())
    low, high = float(match[1]), float(match[2])
    count = int(match[3]) if match[3] else int(abs(high - low)) + 1 if low.is_integer() and high.is_integer() else 0
    if not 1 <= count <= MOST_JOBS:
        faults.append(f"{written.label(name)}: {cut(repr(value))} has {count or 'no'} values; {expected}")
        return Axis(name, ())
    numbers = [low + (high - low) * index / max(count - 1, 1) for index in range(count)]
    # Without the last digits, in which a sum of fractions is wrong; whole numbers are whole.
    rounded = [float(f"{each:.12g}") for each in numbers]
    values = [int(each) if each.is_integer() else each for each in rounded]
    return Axis(name, tuple(Choice(_placed({name: each}, name, written)) for each in values))


def _placed(settings: dict[str, Any], axis: str, written: Written) -> Written:
    """The settings of a choice, which stand where their axis does."""
    return Written(settings, written.file, written.folder, written.part, written.lines.get(axis, written.line))


def _known(name: str, written: Written, kind: type[Settings], faults: list[str]) -> bool:
    plain = name.replace("-", "_")
    known = plain in kind.model_fields and plain not in kind.transient
    if not known:
        own = [each for each in kind.model_fields if each not in kind.transient]
        told = f"there is no such setting; {nearest(cut(name), own)}, or give 'label: {{setting: value}}'"
        faults.append(f"{written.label(cut(name))}: {told}")
    return known


# Wildcards


def _wild(written: Written, kind: type[Settings]) -> list[str]:
    """The settings that name files to read by a pattern."""
    return [name for name, value in written.values.items() if _is_pattern(name, value, written.folder, kind)]


def _is_pattern(name: str, value: Any, folder: Path, kind: type[Settings]) -> bool:
    how = naming(kind).get(name)
    read = how is not None and not how.written and not how.whole
    return read and isinstance(value, str) and bool(_WILD.search(value)) and not is_there(folder / expand_home(value))


def _found(written: Written, kind: type[Settings], faults: list[str], label: str | None = None) -> list[Choice]:
    """A choice; for a pattern one for each file that it matches, in the order of their names."""
    patterns = _wild(written, kind)
    if not patterns:
        return [Choice(written, label)]
    name, choices = patterns[0], list[Choice]()
    pattern = absolute(written.folder / expand_home(written.values[name]))
    for path in _matches(pattern):
        placed = Written({**written.values, name: str(path)}, written.file, written.folder, written.part, written.line)
        choices.append(Choice(placed, label if label is None else f"{label}-{path.stem}"))
    if not choices:
        faults.append(f"{written.label(name)}: no file matches {cut(str(written.values[name]))!r}")
    return choices


def _matches(pattern: Path) -> list[Path]:
    """The files that match, hidden ones left out; no more than one above ``MOST_JOBS``."""
    plain = list(pattern.parts[1:])
    first = next(index for index, part in enumerate(plain) if _WILD.search(part))
    root = Path(pattern.anchor, *plain[:first])
    found = (path for path in root.glob("/".join(plain[first:])) if not path.name.startswith("."))
    return sorted(islice(found, MOST_JOBS + 1))
