"""From flags, files and keyword arguments to one settled config, with every fault at once; and back to a file."""

from __future__ import annotations

import os
import reprlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from vedit import __version__, registry
from vedit.atomic import whole_file
from vedit.config import HUB_NAMES, IN_MEMORY, Settings, bounds, documents
from vedit.config.brackets import escaped
from vedit.config.values import at_home, scaled
from vedit.errors import LONGEST, ConfigError
from vedit.files import read_text
from vedit.synonyms import nearest

MOST_FAULTS = 20
"""Of a config, that are looked at one by one; a line has room for fewer."""

NOTES = frozenset({"vedit", "command", "made_with"})
"""What a sidecar says about itself, beside the settings."""

C = TypeVar("C", bound=Settings)


@dataclass(frozen=True)
class Layer:
    """Some settings, and how to name the place of each in a message."""

    values: Mapping[str, Any]
    place: Callable[[str], str] = str


def settle(kind: type[C], *layers: Layer) -> C:
    """The config that layers make, a later one winning over an earlier. Raises ConfigError with every fault."""
    values: dict[str, Any] = {}
    places: dict[str, str] = {}
    for layer in layers:
        for key, value in layer.values.items():
            name = str(key).replace("-", "_")
            values[name] = value
            places[name] = layer.place(_cut(str(key)))
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_url=False)
        told = [_fault(detail, places, kind) for detail in found[:MOST_FAULTS]]
        raise ConfigError(_joined(told, len(found))) from None


def made(family: str, kind: str, options: Mapping[str, Any]) -> Any:
    """A part of the registry, with its own options. Raises PartError for an unknown kind or one that fails, and
    ConfigError for options that it does not have."""
    part = registry.load(family, kind)
    return part(settle(part.Options, Layer(options, lambda name: f"{kind}: {name}")))


def assignments(texts: Iterable[str]) -> Layer:
    """``--set key=value``, the values read as YAML. Raises ConfigError for one without "=" or that is not YAML."""
    values, faults = {}, []
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            faults.append(f"--set {_cut(text)}: expected key=value, such as steps=20")
            continue
        try:
            values[key.strip()] = documents.value_of(value)
        except ValueError as error:
            faults.append(f"--set {_cut(text)}: the value {error}")
    if faults:
        raise ConfigError(_joined(faults))
    return Layer(values, lambda key: f"--set {key}")


def file(path: Path, kind: type[Settings]) -> Layer:
    """A settings file; its relative paths are relative to the file. A sidecar's notes about itself are left out, but
    where another version wrote it, its faults are told with that.

    Raises ConfigError for a file that cannot be read, is not YAML, or is not one mapping with each key once.
    """
    values, lines = read_yaml(path)
    folder = _absolute(path).parent
    settings = {
        key: _anchored(str(key).replace("-", "_"), value, folder, kind)
        for key, value in values.items()
        if key not in NOTES
    }
    for key in settings.keys() & kind.transient:
        raise ConfigError(f"{path.name}:{lines[key]}: {key} is not taken from a file; say --{key} where you mean it.")
    writer = str(values.get("vedit", __version__))
    versions = "" if writer == __version__ else f" (written by vedit {writer:.20}, and this is {__version__})"
    return Layer(settings, lambda key: f"{path.name}:{lines.get(key, 1)}{versions}: {key}")


def read_yaml(path: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """The one mapping that a YAML file holds, and the line of each of its keys. Raises ConfigError."""
    import yaml

    def unread(message: str) -> ConfigError:
        return ConfigError(f"{message.rstrip('.')}; expected a YAML file of settings.")

    try:
        text = read_text(path, unread)
    except OSError as error:
        raise unread(f"{path} cannot be read: {error.strerror}") from error
    try:
        node, values = documents.node_of(text)
    except (yaml.YAMLError, ValueError) as error:
        why, line = documents.reason(error)
        raise ConfigError(f"{path}{f':{line}' if line else ''}: not YAML: {why}.") from error
    if not isinstance(values, dict) or not isinstance(node, yaml.MappingNode):
        raise ConfigError(f"{path} holds no settings; expected lines such as 'steps: 20'.")
    lines: dict[str, int] = {}
    twice = []
    for key, _ in node.value:
        if key.value in lines:
            twice.append(f"{path.name}:{key.start_mark.line + 1}: '{_cut(key.value)}' is given twice")
        lines[str(key.value)] = key.start_mark.line + 1
    if twice:
        raise ConfigError(_joined(twice))
    return values, lines


def save(config: Settings, path: Path, command: str, made_with: Mapping[str, str], *, overwrite: bool) -> None:
    """Write settings as a sidecar that ``vedit rerun`` takes. Paths in its folder are relative, others absolute, so the
    folder may be moved and read from anywhere. Raises MediaError when it cannot be written.
    """
    import yaml

    folder = _absolute(path).parent
    values = config.model_dump(mode="json", exclude=set(config.transient))
    for key, value in values.items():
        values[key] = _portable(key, value, folder, config)
    notes = {"command": command, "vedit": __version__, "made_with": dict(made_with)}
    head = f"# Written by vedit {__version__}: `vedit rerun {path.name}` makes the same again.\n"
    body = yaml.safe_dump({**notes, **values}, sort_keys=False, allow_unicode=True, width=2**16)
    with whole_file(path, overwrite) as beside:
        beside.write_text(head + body, encoding="utf-8")


def _anchored(name: str, value: Any, folder: Path, kind: type[Settings]) -> Any:
    """A value of a file with its relative paths made relative to ``folder`` instead of to where we are."""
    if value is not None and (inner := kind.nested.get(name)):
        many = value if isinstance(value, list) else [value]
        return [_inner(each, inner, lambda key, part: _anchored(key, part, folder, inner)) for each in many]
    if isinstance(value, list) and name in kind.places:  # one level: a list can hold itself
        return [_anchored(name, each, folder, kind) if isinstance(each, str) else each for each in value]
    if not isinstance(value, str) or value in ("", str(IN_MEMORY)) or _spoken(name, value, kind):
        return value
    if name in kind.paths:
        return str(_absolute(folder / at_home(value)))
    if name in kind.places:
        stem, scale = scaled(value)
        if "/" in stem and _there(folder / at_home(stem)):
            return str(_absolute(folder / at_home(stem))) + scale
    return value


def _portable(name: str, value: Any, folder: Path, config: Settings | type[Settings]) -> Any:
    """The reverse: as ``_anchored`` reads it, and with the brackets of prompts as they are."""
    if name in config.bracketed and isinstance(value, str):
        return escaped(value)
    if value is not None and (inner := config.nested.get(name)):
        return [_inner(each, inner, lambda key, part: _portable(key, part, folder, inner)) for each in value]
    if isinstance(value, list):
        return [_portable(name, each, folder, config) for each in value]
    if not isinstance(value, str) or value == str(IN_MEMORY) or _spoken(name, value, config):
        return value
    if name == "model" and value in ("mini", *HUB_NAMES):
        return value  # a model's own name stands for it even where a folder is called so
    stem, scale = scaled(value) if name in config.places else (value, "")
    path = at_home(stem)
    if name not in config.paths and not (name in config.places and _there(path)):
        return value
    whole = _absolute(path)
    if not whole.is_relative_to(folder):
        return str(whole) + scale
    inside = whole.relative_to(folder).as_posix()
    plain = name in config.paths and not _spoken(name, inside, config)
    return (inside if plain else f"./{inside}") + scale


def _spoken(name: str, value: str, kind: Settings | type[Settings]) -> bool:
    """Whether a field that may hold a path holds words of its own instead."""
    return name in kind.spoken and kind.spoken[name].fullmatch(value) is not None


def _inner(value: Any, kind: type[Settings], change: Callable[[str, Any], Any]) -> Any:
    """The settings of one of several things, its short text read, with ``change(name, value)`` made to each."""
    if isinstance(value, str):
        try:
            value = kind.read(value)
        except ValueError:
            return value  # the config will say what is wrong with it
    return {key: change(str(key), part) for key, part in value.items()} if isinstance(value, dict) else value


def _there(path: Path) -> bool:
    """Unlike ``Path.exists``, no for what lies in a closed folder: whoever reads it will tell."""
    return os.path.exists(path)  # noqa: PTH110


def _absolute(path: Path) -> Path:
    """Without ".."; unlike ``Path.resolve``, links keep the names that they are called by."""
    return Path(os.path.abspath(path))  # noqa: PTH100


def _fault(detail: ErrorDetails, places: Mapping[str, str], kind: type[Settings]) -> str:
    name = str(detail["loc"][0]) if detail["loc"] else ""
    place = places.get(name, name)
    said, context = detail["type"], detail.get("ctx", {})
    given = _brief(detail["input"])
    field = kind.model_fields.get(name)
    if (inner := kind.nested.get(name)) and (own := [str(each) for each in detail["loc"][2:]]):
        name, field = own[0], inner.model_fields.get(own[0])
        place, kind = f"{place}: {name}", inner
    match said:
        case "missing":
            return f"{name} is missing: {field.description if field else ''}"
        case "extra_forbidden":
            return f"{place}: there is no such setting; {nearest(name, kind.model_fields)}"
        case "greater_than_equal" | "greater_than" | "less_than_equal" | "less_than" if field is not None:
            return f"{place}: {given} is out of range; expected {bounds(field)}"
        case "int_parsing" | "int_type" | "int_from_float" | "int_parsing_size":
            return f"{place}: {given} is not a whole number"
        case "float_parsing" | "float_type" | "finite_number":
            return f"{place}: {given} is not a number"
        case "bool_parsing" | "bool_type":
            return f"{place}: {given} is neither true nor false"
        case "string_type":
            return f"{place}: {given} is not a string of text; put quotes around it"
        case "tuple_type":
            return f"{place}: {given} is neither a string of text nor a list of them"
        case "path_type":
            return f"{place}: {given} is no path; put quotes around it"
        case "literal_error":
            choices = str(context.get("expected", "")).replace("'", "").replace(" or ", ", ").split(", ")
            return f"{place}: {given} is unknown; {nearest(str(detail['input']), choices)}"
        case "string_pattern_mismatch":
            return f"{place}: {given} is unknown; {field.description if field else ''}"
        case "string_too_short":
            return f"{place} is empty: {field.description if field else ''}"
        case "string_too_long":
            return f"{place}: {len(detail['input']):,} characters; expected at most {context['max_length']:,}"
        case "value_error":
            reason = str(context.get("error", detail["msg"]))
            return f"{place}: {given} {reason}" if name else reason
    return f"{place}: {given}: {detail['msg']}"


def _brief(value: Any) -> str:
    """What was given, however long or deep it is."""
    return _cut(reprlib.repr(value) if isinstance(value, (dict, list, tuple)) else repr(value))


def _cut(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


def _joined(faults: list[str], count: int | None = None) -> str:
    """The faults in one line; of more (``count`` in all) than have room in it, the first ones."""
    count = len(faults) if count is None else count
    if count == 1:
        return faults[0]
    numbered = [f"({index}) {fault}" for index, fault in enumerate(faults, 1)]
    fitting = sum(end <= LONGEST - 30 for end in accumulate(len(each) + 2 for each in numbered)) or 1
    more = [f"and {count - fitting} more"] if fitting < count else []
    return f"{count} faults: " + "; ".join([*numbered[:fitting], *more])
