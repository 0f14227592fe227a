"""Reading a jobs file: YAML, CSV or JSONL, or a folder of sidecars."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

from vedit.batches.folder import PREVIEWS
from vedit.batches.words import WORDS
from vedit.batches.written import AXES, MOST_JOBS, Level, Place, Written, WrittenJob, job_of, level_of
from vedit.config import safe_yaml
from vedit.config.faults import cut
from vedit.config.files import read_yaml
from vedit.config.named_files import fields_written
from vedit.config.paths import absolute
from vedit.config.sidecar_format import NOTES, is_sidecar, upgraded
from vedit.errors import ConfigError
from vedit.files import json_object, read_text
from vedit.jobs import Entry, jobs
from vedit.synonyms import nearest

LARGEST = 16_000_000
"""Bytes of a jobs file: tens of thousands of lines."""

KINDS = (".yaml", ".yml", ".csv", ".jsonl")


def read_jobs(path: Path, faults: list[str]) -> list[WrittenJob]:
    """The jobs of a file or of a folder of sidecars, in their order, no more than one above ``MOST_JOBS``; what is
    wrong is added to ``faults``.

    Raises ConfigError where nothing of it can be read.
    """
    if path.is_dir():
        return _sidecars(path, faults)
    readers = {".csv": _table, ".jsonl": _lines, ".yaml": _yaml, ".yml": _yaml}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ConfigError(f"{path} is no jobs file; expected {', '.join(KINDS)}, or a folder of sidecars.")
    before = len(faults)
    found = reader(path, faults)
    if not found and len(faults) == before:
        raise ConfigError(f"{path} holds no jobs; expected at least one under 'jobs:', or a line.")
    return found


def can_be_made() -> dict[str, Entry]:
    """The jobs that a batch can make, by their names: those that write something."""
    return {name: entry for name, entry in jobs().items() if "output" in entry.config.model_fields}


def _text(path: Path) -> str:
    """The text of a jobs file, without a mark of its byte order. Raises ConfigError."""
    try:
        return read_text(path, ConfigError, LARGEST).removeprefix("\ufeff")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}; expected a file of jobs.") from error


# YAML


def _yaml(path: Path, faults: list[str]) -> list[WrittenJob]:
    node, values = _document(path)
    place = Written({}, path.name, absolute(path).parent, place=_place(node, 1))
    sound = len(faults)
    for line, key in _twice(node):
        faults.append(f"{path.name}:{line}: '{cut(key)}' is given twice")
    parts = "defaults", "jobs"
    unknown = [str(key) for key in values if key not in parts]
    faults += [f"{place.label(cut(key))}: there is no such part; {nearest(key, parts)}" for key in unknown]
    levels: list[Level] = []
    defaults, listed = values.get("defaults"), values.get("jobs")
    if isinstance(defaults, dict):
        levels = [level_of(defaults, place.within("defaults", values={}, part="defaults"), faults)]
    elif defaults is not None:
        faults.append(_no_mapping(place.within("defaults", values={}, part="defaults"), defaults))
    if not isinstance(listed, list):
        faults.append(f"{place.label('jobs')}: expected a list of jobs, each beginning with '- '")
        return []
    found, sound_defaults = [], len(faults) == sound
    for number, each in enumerate(listed[: MOST_JOBS + 1], 1):
        own = place.within("jobs", str(number - 1), values={}, part=f"job {number}")
        if not isinstance(each, dict):
            faults.append(_no_mapping(own, each))
            continue
        before = len(faults)
        level = level_of(each, own, faults)
        found.append(job_of([*levels, level], sound=sound_defaults and len(faults) == before))
    return found


def _no_mapping(place: Written, given: Any) -> str:
    return f"{place.where}: {cut(repr(given))} is no mapping; expected lines such as 'seed: 1'"


def _document(path: Path) -> tuple[Any, dict[Any, Any]]:
    """The node and the value of a YAML file that holds one mapping. Raises ConfigError."""
    import yaml

    text = _text(path)
    try:
        node, values = safe_yaml.node_of(text)
    except (yaml.YAMLError, ValueError) as error:
        why, line = safe_yaml.reason(error)
        raise ConfigError(f"{path}{f':{line}' if line else ''}: not YAML: {why}.") from error
    if not isinstance(node, yaml.MappingNode) or not isinstance(values, dict):
        raise ConfigError(f"{path} holds no jobs; expected 'defaults:' and 'jobs:'.")
    return node, values


def _place(node: Any, line: int) -> Place:
    """Where what a node of YAML holds is; of a key that is given twice, the last."""
    import yaml

    within: dict[str, Place] = {}
    if isinstance(node, yaml.MappingNode):
        within = {str(key.value): _place(value, key.start_mark.line + 1) for key, value in node.value}
    elif isinstance(node, yaml.SequenceNode):
        within = {str(index): _place(each, each.start_mark.line + 1) for index, each in enumerate(node.value)}
    return Place(line, within)


def _twice(node: Any) -> Iterator[tuple[int, str]]:
    """The line and the name of each key that its mapping has already, at any depth."""
    import yaml

    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if str(key.value) in seen:
                yield key.start_mark.line + 1, str(key.value)
            seen.add(str(key.value))
            yield from _twice(value)
    elif isinstance(node, yaml.SequenceNode):
        for each in node.value:
            yield from _twice(each)


# Tables


def _table(path: Path, faults: list[str]) -> list[WrittenJob]:
    """CSV: the names of settings in the first line, a job in each other; an empty cell leaves a setting alone."""
    rows = _rows(path)
    _, head = next(rows, (0, []))
    names = [name.strip().replace("-", "_") for name in head]
    if not any(names):
        raise ConfigError(f"{path} is empty; expected names of settings in the first line, and a job in each other.")
    before = len(faults)
    faults += _columns(path, names)
    found, sound = [], len(faults) == before
    for number, (line, row) in enumerate(islice(rows, MOST_JOBS + 1), 1):
        place = Written({}, path.name, absolute(path).parent, f"job {number}", Place(line))
        cells = [(name, cell) for name, cell in zip_longest(names, row, fillvalue="") if cell.strip()]
        if nameless := [cell for name, cell in cells if not name]:
            faults.append(
                f"{place.where}: {cut(repr(nameless[0]))} stands in a column without a name in the first line"
            )
            continue
        known = {name: cell for name, cell in cells if name in _known()}
        found.append(job_of([Level(replace(place, values=known))], sound=sound))
    return found


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV file that hold something, and the lines that they begin in. Raises ConfigError."""
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True, skipinitialspace=True)
    line = 1
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise ConfigError(f"{path}:{line}: not CSV: {error}.") from error


def _columns(path: Path, names: Sequence[str]) -> Iterator[str]:
    """What is wrong with the first line of a table. Raises ConfigError where its columns stand apart by no commas."""
    if len(names) == 1 and (other := re.search(r"[;\t|]", names[0])):
        raise ConfigError(f"{path}:1: the columns stand apart by {other[0]!r}; expected commas, such as clip,prompt.")
    for name in dict.fromkeys(name for name in names if name):
        if names.count(name) > 1:
            yield f"{path.name}:1: the column '{cut(name)}' is there twice"
        if name in (*AXES, WORDS):
            yield f"{path.name}:1: {name}: a table has no room for it; write a line for each job, or .yaml or .jsonl"
        elif name not in _known():
            yield f"{path.name}:1: {cut(name)}: there is no such setting; {nearest(name, _known())}"


def _known() -> dict[str, None]:
    """The settings of all jobs that a batch can make, and what says which job."""
    fields = (name for each in can_be_made().values() for name in each.config.model_fields)
    return dict.fromkeys(["command", *fields])


def _lines(path: Path, faults: list[str]) -> list[WrittenJob]:
    """JSONL: an object of settings in each line."""
    found = []
    filled = ((line, text) for line, text in enumerate(_text(path).split("\n"), 1) if text.strip())
    for number, (line, text) in enumerate(islice(filled, MOST_JOBS + 1), 1):
        place = Written({}, path.name, absolute(path).parent, f"job {number}", Place(line))
        twice: list[str] = []
        try:
            values = json_object(text, place.where, ConfigError, twice)
        except ConfigError as fault:
            faults.append(str(fault).rstrip("."))
            continue
        before = len(faults)
        faults += [f"{place.where}: '{cut(key)}' is given twice" for key in twice]
        level = level_of(values, place, faults)
        found.append(job_of([level], sound=len(faults) == before))
    return found


# Sidecars


def _sidecars(folder: Path, faults: list[str]) -> list[WrittenJob]:
    """The settings beside the results in a folder, and in folders in it: their jobs, to be made again."""
    found, before = [], len(faults)
    inside = sorted((path.relative_to(folder) for path in folder.rglob("*.yaml")), key=lambda path: path.parts)
    seen = (path for path in inside if path.parts[0] != PREVIEWS and not any(part[0] == "." for part in path.parts))
    for name in islice(seen, MOST_JOBS + 1):
        path, called = folder / name, name.as_posix()
        try:
            values, lines = read_yaml(path)
            if not is_sidecar(values):
                continue
            values, lines = upgraded(values, lines)
        except ConfigError as fault:
            told = str(fault).rstrip(".")
            faults.append(told if called in told else f"{called}: {told}")
            continue
        made_with = values.get("made_with")
        model = str(made_with.get("model", "")) if isinstance(made_with, dict) else ""
        own = {key: value for key, value in values.items() if key not in NOTES} | _again(name, values)
        place = Place(1, {key: Place(line) for key, line in lines.items()})
        written = Written(own, called, absolute(path).parent, place=place)
        found.append(job_of([Level(written)], made_with=model))
    if not found and len(faults) == before:
        raise ConfigError(f"{folder} holds no sidecars, the .yaml files that `vedit edit` writes beside its results.")
    return found


def _again(name: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    """What names the job of a sidecar (its ``name`` from the folder on) and its files: as they were called, beside each
    other where the sidecar lies, wherever they lay."""
    entry = jobs().get(str(values["command"]))
    written = [] if entry is None else fields_written(entry.config)
    texts = {setting: values[setting] for setting in written if isinstance(values.get(setting), str)}
    names = {setting: Path(text).name for setting, text in texts.items()}
    names["output"] = f"{name.stem}{Path(names.get('output', '')).suffix}"
    plain = {
        setting: (name.parent / text).as_posix().replace("{", "{{").replace("}", "}}")
        for setting, text in names.items()
    }
    return {"command": values["command"], **plain}
