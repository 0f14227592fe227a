"""What a jobs file says, read but not yet multiplied: YAML, CSV or JSONL, or a folder of sidecars."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vedit.config import safe_yaml
from vedit.config.faults import cut
from vedit.config.files import read_yaml
from vedit.config.paths import absolute
from vedit.config.sidecar_format import NOTES, is_sidecar, upgraded
from vedit.errors import ConfigError
from vedit.files import json_object, read_text
from vedit.synonyms import nearest

LARGEST = 16_000_000
"""Bytes of a jobs file: tens of thousands of lines."""

DEFAULT_COMMAND = "edit"
"""The job that is meant where none is named."""

AXES = ("product", "sweep")
"""Keys of a job that hold values of which each is taken."""

KINDS = (".yaml", ".yml", ".csv", ".jsonl")


@dataclass(frozen=True)
class Written:
    """Some settings as they are written down in one place.

    Attributes:
        values: by their names
        where: of the place, as a fault names it: "looks.yaml", "looks.yaml: defaults"
        lines: of the settings in their file; a setting that is not there stands in ``line``
        folder: which their relative paths are relative to
    """

    values: Mapping[str, Any]
    file: str
    folder: Path
    part: str = ""
    line: int = 1
    lines: Mapping[str, int] = field(default_factory=dict)

    def label(self, key: str) -> str:
        """A setting with where it is written, as a fault begins."""
        part = f"{self.part}: " if self.part else ""
        return f"{self.file}:{self.lines.get(key, self.line)}: {part}{key}"

    def without(self, *keys: str) -> Written:
        """The same but for some settings."""
        values = {key: value for key, value in self.values.items() if key not in keys}
        return Written(values, self.file, self.folder, self.part, self.line, self.lines)


@dataclass(frozen=True)
class WrittenJob:
    """One job as it is written down.

    Attributes:
        command: the kind of job
        layers: its settings, later ones win: the defaults, its own
        axes: for each kind of axis ("product", "sweep") what is written there, defaults first
        made_with: the fingerprint of the model that a sidecar's result was made with; else empty
    """

    command: str
    layers: tuple[Written, ...]
    axes: Mapping[str, tuple[Written, ...]] = field(default_factory=dict)
    made_with: str = ""

    @property
    def own(self) -> Written:
        """The job's own settings."""
        return self.layers[-1]


def read_jobs(path: Path, faults: list[str]) -> list[WrittenJob]:
    """The jobs of a file or of a folder of sidecars, in their order; what is wrong is added to ``faults``.

    Raises ConfigError where nothing of it can be read.
    """
    if path.is_dir():
        return _sidecars(path, faults)
    readers = {".csv": _table, ".jsonl": _lines, ".yaml": _yaml, ".yml": _yaml}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ConfigError(f"{path} is no jobs file; expected {', '.join(KINDS)}, or a folder of sidecars.")
    jobs = reader(path, faults)
    if not jobs and not faults:
        raise ConfigError(f"{path} holds no jobs; expected at least one under 'jobs:', or a line.")
    return jobs


# YAML


def _yaml(path: Path, faults: list[str]) -> list[WrittenJob]:
    node, values = _document(path)
    top = _mapping(path, node, values, "", faults)
    parts = "defaults", "jobs"
    unknown = [key for key in top.values if key not in parts]
    faults += [f"{top.label(cut(key))}: there is no such part; {nearest(key, parts)}" for key in unknown]
    nodes = {key.value: value for key, value in node.value}
    defaults = Written({}, path.name, absolute(path).parent, "defaults")
    if top.values.get("defaults") is not None:
        defaults = _mapping(path, nodes["defaults"], top.values["defaults"], "defaults", faults)
    listed = top.values.get("jobs")
    if not isinstance(listed, list):
        faults.append(f"{top.label('jobs')}: expected a list of jobs, each beginning with '- '")
        return []
    jobs = []
    for number, (each, value) in enumerate(zip(nodes["jobs"].value, listed, strict=True), 1):
        own = _mapping(path, each, value, f"job {number}", faults)
        axes = {
            kind: tuple(
                _mapping(path, _child(of_node, kind), of.values[kind], f"{of.part}: {kind}", faults)
                for of_node, of in ((nodes.get("defaults"), defaults), (each, own))
                if of.values.get(kind) is not None
            )
            for kind in AXES
        }
        jobs.append(_job((defaults, own), axes))
    return jobs


def _document(path: Path) -> tuple[Any, Any]:
    """The node and the value of a YAML file that holds one mapping. Raises ConfigError."""
    import yaml

    text = _text(path)
    try:
        node, values = safe_yaml.node_of(text)
    except (yaml.YAMLError, ValueError) as error:
        why, line = safe_yaml.reason(error)
        raise ConfigError(f"{path}{f':{line}' if line else ''}: not YAML: {why}.") from error
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(f"{path} holds no jobs; expected 'defaults:' and 'jobs:'.")
    return node, values


def _mapping(path: Path, node: Any, values: Any, part: str, faults: list[str]) -> Written:
    """The settings of a mapping of a YAML file."""
    line, folder = node.start_mark.line + 1, absolute(path).parent
    if not isinstance(values, dict):
        given = cut(repr(values))
        faults.append(f"{path.name}:{line}: {part}: {given} is no mapping; expected lines such as 'seed: 1'")
        return Written({}, path.name, folder, part, line)
    lines: dict[str, int] = {}
    for key, _ in node.value:
        name = str(key.value)
        if name in lines:
            faults.append(f"{path.name}:{key.start_mark.line + 1}: {part}: '{cut(name)}' is given twice")
        lines[name] = key.start_mark.line + 1
    return Written({str(key): value for key, value in values.items()}, path.name, folder, part, line, lines)


def _child(node: Any, name: str) -> Any:
    return next(value for key, value in node.value if key.value == name)


# Tables


def _table(path: Path, faults: list[str]) -> list[WrittenJob]:
    """CSV: the names of settings in the first line, a job in each other; an empty cell leaves a setting alone."""
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    try:
        rows = [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise ConfigError(f"{path}:{reader.line_num}: not CSV: {error}.") from error
    if not rows:
        raise ConfigError(f"{path} is empty; expected names of settings in the first line, and a job in each other.")
    (_, head), *rest = rows
    names = [name.strip() for name in head]
    twice = dict.fromkeys(name for name in names if names.count(name) > 1)
    faults += [f"{path.name}:1: the column '{cut(name)}' is there twice" for name in twice]
    jobs = []
    for number, (line, row) in enumerate(rest, 1):
        if len(row) > len(names):
            faults.append(f"{path.name}:{line}: job {number}: {len(row)} cells, and the first line names {len(names)}")
            continue
        values = {name: cell for name, cell in zip(names, row, strict=False) if cell}
        jobs.append(_job((Written(values, path.name, absolute(path).parent, f"job {number}", line),), {}))
    return jobs


def _lines(path: Path, faults: list[str]) -> list[WrittenJob]:
    """JSONL: an object of settings in each line."""
    jobs = []
    filled = ((line, text) for line, text in enumerate(_text(path).split("\n"), 1) if text.strip())
    for number, (line, text) in enumerate(filled, 1):
        try:
            values = json_object(text, f"{path.name}:{line}: job {number}", ConfigError)
        except ConfigError as fault:
            faults.append(str(fault).rstrip("."))
            continue
        own = Written(values, path.name, absolute(path).parent, f"job {number}", line)
        axes = {
            kind: (Written(values[kind], own.file, own.folder, f"job {number}: {kind}", line),)
            for kind in AXES
            if isinstance(values.get(kind), dict)
        }
        jobs.append(_job((own,), axes))
    return jobs


# Sidecars


def _sidecars(folder: Path, faults: list[str]) -> list[WrittenJob]:
    """The settings beside the results in a folder: their jobs, to be made again."""
    jobs = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            values, lines = read_yaml(path)
            if not is_sidecar(values):
                continue
            values, lines = upgraded(values, lines)
        except ConfigError as fault:
            faults.append(str(fault).rstrip("."))
            continue
        made_with = values.get("made_with")
        model = str(made_with.get("model", "")) if isinstance(made_with, dict) else ""
        named = {"command": values["command"], "output": f"{path.stem}{Path(str(values.get('output', ''))).suffix}"}
        own = {key: value for key, value in values.items() if key not in NOTES} | named
        written = Written(own, path.name, absolute(path).parent, lines=lines)
        jobs.append(_job((written,), {}, model))
    if not jobs and not faults:
        raise ConfigError(f"{folder} holds no sidecars, the .yaml files that `vedit edit` writes beside its results.")
    return jobs


def _job(layers: tuple[Written, ...], axes: Mapping[str, tuple[Written, ...]], made_with: str = "") -> WrittenJob:
    command = next((str(layer.values["command"]) for layer in reversed(layers) if "command" in layer.values), None)
    plain = tuple(layer.without("command", *axes) for layer in layers)
    return WrittenJob(command or DEFAULT_COMMAND, plain, axes, made_with)


def _text(path: Path) -> str:
    """The text of a jobs file, without a mark of its byte order. Raises ConfigError."""
    try:
        return read_text(path, ConfigError, LARGEST).removeprefix("\ufeff")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}; expected a file of jobs.") from error
