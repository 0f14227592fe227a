"""Reading a strokes file: YAML or JSON within bounds, and every fault with the stroke that has it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from vedit.config import Settings, safe_yaml
from vedit.config.faults import in_one_line
from vedit.config.merge import Layer, merge_or_faults
from vedit.config.named_files import naming
from vedit.config.paths import absolute
from vedit.errors import ConfigError
from vedit.files import read_text
from vedit.motion.strokes.schema import (
    MOST_ANCHORS,
    MOST_STROKES,
    MOST_SWAYS,
    Anchor,
    Camera,
    Shape,
    Stroke,
    StrokesFile,
    label,
)
from vedit.motion.strokes.sways import Sway

EXPECTED = "expected a strokes file, as docs/strokes.md has it"


def read_strokes(path: Path) -> StrokesFile:
    """The strokes of a file (docs/strokes.md). Raises ConfigError: every fault in one line, with its stroke."""
    values, lines = _content(path)
    return checked(values, path, lines)


def checked(values: Mapping[str, Any], path: Path, lines: Mapping[str, int] | None = None) -> StrokesFile:
    """The strokes that these values are, as they stand in the file ``path``, ``lines`` of it by place ("strokes.0",
    "camera", ...) where they are known. Raises ConfigError as ``read_strokes``."""
    reader = _Reader(path, lines or {})
    found = dict(values)
    found["strokes"] = reader.each("strokes", "stroke", values.get("strokes", []), Stroke, MOST_STROKES)
    found["anchors"] = reader.each("anchors", "anchor", values.get("anchors", []), Anchor, MOST_ANCHORS)
    found["sway"] = reader.each("sway", "sway", values.get("sway", []), Sway, MOST_SWAYS)
    if "camera" in found:
        found["camera"] = reader.one(values["camera"], "camera", Camera, reader.line("camera"))
    # What is wrong with one of them is told already; the rest is looked at without it.
    whole = {key: each for key, each in found.items() if each is not None}
    read = merge_or_faults(StrokesFile, Layer(whole, lambda key: f"{reader.line(key)}: {key}"), where=path.name)
    faults = reader.faults + (read if isinstance(read, list) else [])
    if faults or isinstance(read, list):
        raise ConfigError(f"{in_one_line(faults)}.")
    return read.with_config_file(path)


class _Reader:
    """Reads the parts of a file, and gathers what is wrong with them."""

    def __init__(self, path: Path, lines: Mapping[str, int]) -> None:
        self.path, self.lines, self.faults = path, lines, list[str]()
        self.folder = absolute(path).parent

    def line(self, place: str) -> str:
        """How a place of the file is told: its name, and the line where that is known."""
        return f"{self.path.name}:{self.lines[place]}" if place in self.lines else self.path.name

    def each(self, field: str, what: str, values: Any, kind: type[Settings], most: int) -> list[Settings] | None:
        """Those of a list, where all are right; a fault for each that is not."""
        if not isinstance(values, list) or len(values) > most:
            given = f"{len(values):,} of them; expected at most {most:,}" if isinstance(values, list) else "is no list"
            self.faults.append(f"{self.line(field)}: {field}: {given}")
            return None
        found = [
            self.one(value, _label(what, number, value), kind, self.line(f"{field}.{number - 1}"))
            for number, value in enumerate(values, 1)
        ]
        return None if None in found else [each for each in found if each is not None]

    def one(self, value: Any, who: str, kind: type[Settings], line: str) -> Settings | None:
        """One of them, where it is right."""
        where = f"{line}: {who}"
        if kind is Anchor and isinstance(value, list):
            value = {"point": value}
        if not isinstance(value, dict):
            self.faults.append(f"{where}: is {str(value)[:30]!r}; {_expected(kind)}")
            return None
        if isinstance(mask := value.get("mask"), str):
            value = {**value, "mask": naming(kind)["mask"].anchored(mask, self.folder)}
        if "shape" in value:
            if (shape := self.one(value["shape"], f"{who}: shape", Shape, line)) is None:
                return None
            value = {**value, "shape": shape}
        read = merge_or_faults(kind, Layer(value, lambda key: f"{where}: {key}"), where=where)
        if isinstance(read, list):
            self.faults += read
            return None
        return read


def _label(what: str, number: int, value: Any) -> str:
    name = value.get("name") if isinstance(value, dict) else None
    return label(number, name[:60] if isinstance(name, str) else None, what)


def _expected(kind: type[Settings]) -> str:
    return "expected [x, y], or point: and more" if kind is Anchor else f"expected {', '.join(kind.model_fields)}"


def _content(path: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """The mapping that a file holds, and the lines of its parts, where they are known. Raises ConfigError."""

    def unread(message: str) -> ConfigError:
        return ConfigError(f"{message.rstrip('.')}; {EXPECTED}.")

    try:
        text = read_text(path, unread)
    except OSError as error:
        raise unread(f"{path} cannot be read: {error.strerror}") from error
    values, lines = (_json if path.suffix.lower() == ".json" else _yaml)(text, path)
    if not isinstance(values, dict):
        raise unread(f"{path} holds no strokes")
    return values, lines


def _json(text: str, path: Path) -> tuple[Any, dict[str, int]]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = next(key for key, _ in pairs if sum(key == other for other, _ in pairs) > 1)
            raise ValueError(f"'{twice[:30]}' is given twice")
        return found

    def no_number(name: str) -> NoReturn:
        raise ValueError(f"{name} is no number")

    try:
        return json.loads(text, object_pairs_hook=once, parse_constant=no_number), {}
    except RecursionError as error:
        raise ConfigError(f"{path} is nested too deeply; {EXPECTED}.") from error
    except ValueError as error:
        raise ConfigError(f"{path} cannot be read as JSON: {error}; {EXPECTED}.") from error


def _yaml(text: str, path: Path) -> tuple[Any, dict[str, int]]:
    import yaml

    try:
        node, values = safe_yaml.node_of(text)
    except (yaml.YAMLError, ValueError) as error:
        why, line = safe_yaml.reason(error)
        raise ConfigError(f"{path}{f':{line}' if line else ''}: not YAML: {why}; {EXPECTED}.") from error
    if not isinstance(node, yaml.MappingNode):
        return values, {}
    lines: dict[str, int] = {}
    for key, value in node.value:
        if key.value in lines:
            raise ConfigError(f"{path}:{key.start_mark.line + 1}: '{str(key.value)[:30]}' is given twice.")
        lines[str(key.value)] = key.start_mark.line + 1
        for index, each in enumerate(value.value if isinstance(value, yaml.SequenceNode) else ()):
            lines[f"{key.value}.{index}"] = each.start_mark.line + 1
    return values, lines
