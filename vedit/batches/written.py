"""What a jobs file says, read but not yet multiplied: settings, and the lines that they stand in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vedit.config.faults import cut

MOST_JOBS = 10_000
"""Jobs of one batch."""

DEFAULT_COMMAND = "edit"
"""The job that is meant where none is named."""

AXES = {
    "product": "lines such as 'seed: [1, 2]'",
    "sweep": "lines such as 'strength: 0.5..0.9/5'",
}
"""Keys of a job that hold values of which each is taken, and what is written under each."""


@dataclass(frozen=True)
class Place:
    """The line that something begins in, and the places of what it holds, by their keys or numbers."""

    line: int = 1
    within: Mapping[str, Place] = field(default_factory=dict)

    def at(self, *path: str) -> Place:
        """The place of something within, as deep as it is known."""
        found = self
        for key in path:
            inner = found.within.get(key) or found.within.get(key.replace("_", "-"))
            if inner is None:
                return Place(found.line)
            found = inner
        return found


@dataclass(frozen=True)
class Written:
    """Some settings as they are written down in one place.

    Attributes:
        values: by their names, in which "-" is "_"
        file: the name of the file
        folder: which their relative paths are relative to
        part: of the file: "defaults", "job 2: product"; empty where a file has none
        place: where in the file
    """

    values: Mapping[str, Any]
    file: str
    folder: Path
    part: str = ""
    place: Place = field(default_factory=Place)

    @property
    def where(self) -> str:
        """Where they stand, as a fault begins."""
        return f"{self.file}:{self.place.line}" + (f": {self.part}" if self.part else "")

    def label(self, key: str) -> str:
        """A setting with where it is written, as a fault begins."""
        return f"{replace(self, place=self.place.at(key)).where}: {key}"

    def within(self, *path: str, values: Mapping[str, Any], part: str | None = None) -> Written:
        """Other settings, which stand within these, at a path of keys and numbers."""
        return replace(self, values=values, part=self.part if part is None else part, place=self.place.at(*path))

    def without(self, *keys: str) -> Written:
        """The same but for some settings."""
        return replace(self, values={key: value for key, value in self.values.items() if key not in keys})


@dataclass(frozen=True)
class Assigned(Written):
    """Settings that no file holds, such as those of --set.

    Attributes:
        said: how a fault names each, with where it was given
    """

    said: Callable[[str], str] = str

    def label(self, key: str) -> str:
        return self.said(key)


@dataclass(frozen=True)
class Level:
    """Settings of one place, and by kind ("product", "sweep") the axes that are written there."""

    settings: Written
    axes: Mapping[str, Written] = field(default_factory=dict)

    @property
    def names(self) -> set[str]:
        """All that is settled here."""
        return {*self.settings.values, *(name for axes in self.axes.values() for name in axes.values)}

    def without(self, *names: str) -> Level:
        """The same but for some settings and axes."""
        return Level(self.settings.without(*names), {kind: axes.without(*names) for kind, axes in self.axes.items()})


@dataclass(frozen=True)
class WrittenJob:
    """One job as it is written down.

    Attributes:
        command: the kind of job
        levels: its settings, later ones win: the defaults, its own
        made_with: the fingerprint of the model that a sidecar's result was made with; else empty
        sound: whether all of it could be read
    """

    command: str
    levels: tuple[Level, ...]
    made_with: str = ""
    sound: bool = True

    @property
    def where(self) -> str:
        """Where it stands, as a fault begins."""
        return self.levels[-1].settings.where

    @property
    def command_label(self) -> str:
        """The word that says its kind, with where it is written."""
        said = (level.settings for level in reversed(self.levels) if "command" in level.settings.place.within)
        return next(said, self.levels[-1].settings).label("command")


def by_name(values: Mapping[Any, Any], place: Written, faults: list[str]) -> dict[str, Any]:
    """Settings by their names; one that is given twice, as "a-b" and as "a_b", is a fault."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = str(key).replace("-", "_")
        if name in found:
            faults.append(f"{place.where}: '{cut(name)}' is given twice")
        found[name] = value
    return found


def level_of(values: Mapping[Any, Any], place: Written, faults: list[str]) -> Level:
    """The settings and the axes that are written in one place."""
    own, axes = replace(place, values=by_name(values, place, faults)), dict[str, Written]()
    for kind, expected in AXES.items():
        within = own.values.get(kind)
        if isinstance(within, dict) and within:
            placed = own.within(kind, values={}, part=f"{own.part}: {kind}")
            axes[kind] = replace(placed, values=by_name(within, placed, faults))
        elif kind in own.values:
            given = "nothing is listed" if within in (None, {}, []) else f"{cut(repr(within))} is no mapping"
            faults.append(f"{own.label(kind)}: {given}; expected {expected}")
    return Level(own.without(*AXES), axes)


def job_of(levels: Sequence[Level], *, made_with: str = "", sound: bool = True) -> WrittenJob:
    said = [each.settings.values["command"] for each in levels if "command" in each.settings.values]
    plain = tuple(replace(each, settings=each.settings.without("command")) for each in levels)
    return WrittenJob(str(said[-1]) if said else DEFAULT_COMMAND, plain, made_with, sound)
