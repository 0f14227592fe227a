"""Settings as a file says them: their relative paths are relative to the file, and brackets in prompts are escaped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_origin

from pydantic import BaseModel

from vedit.config import IN_MEMORY
from vedit.config.groups import Settings
from vedit.config.named_files import naming, part_options, settings_within
from vedit.config.prompt_weights import escaped


def anchored(values: dict[str, Any], kind: type[BaseModel], folder: Path) -> dict[str, Any]:
    """Settings of a ``kind`` that a file in ``folder`` says, their relative paths made relative to where we are."""
    changed: dict[str, Any] = _change_each(values, kind, lambda name, value, of: _anchored(name, value, folder, of))
    return changed


def portable(values: dict[str, Any], kind: type[BaseModel], folder: Path) -> dict[str, Any]:
    """What ``anchored`` undoes: settings as a file in ``folder`` says them. Paths inside it are relative, others
    absolute."""
    changed: dict[str, Any] = _change_each(values, kind, lambda name, value, of: _portable(name, value, folder, of))
    return changed


def _anchored(name: str, value: Any, folder: Path, kind: type[BaseModel]) -> Any:
    """A value of a file with its relative paths made relative to ``folder`` instead of to where we are."""
    if value is not None and (inner := settings_within(kind).get(name)):
        many = value if isinstance(value, list) else [value]
        return [_change_each(each, inner, lambda key, part, of: _anchored(key, part, folder, of)) for each in many]
    if (how := naming(kind).get(name)) is None:
        return value
    if isinstance(value, list) and get_origin(kind.model_fields[name].annotation) is tuple:
        return [how.anchored(each, folder) if isinstance(each, str) else each for each in value]
    return how.anchored(value, folder) if isinstance(value, str) and value != str(IN_MEMORY) else value


def _portable(name: str, value: Any, folder: Path, kind: type[BaseModel]) -> Any:
    """The reverse of ``_anchored``: a path relative to ``folder`` where it lies inside; brackets of prompts
    escaped."""
    if isinstance(value, str) and issubclass(kind, Settings) and name in kind.weighted_prompts:
        return escaped(value)
    if value is not None and (inner := settings_within(kind).get(name)):
        return [_change_each(each, inner, lambda key, part, of: _portable(key, part, folder, of)) for each in value]
    if (how := naming(kind).get(name)) is None:
        return value
    if isinstance(value, list):
        return [how.portable(each, folder) for each in value]
    return how.portable(value, folder) if isinstance(value, str) and value != str(IN_MEMORY) else value


def _change_each(value: Any, kind: type[BaseModel], change: Callable[[str, Any, type[BaseModel]], Any]) -> Any:
    """Settings of a ``kind``, their short text read, with ``change(name, value, kind)`` made to each; to the options of
    a part as settings of its own kind."""
    if isinstance(value, str) and issubclass(kind, Settings):
        try:
            value = kind.read(value)
        except ValueError:
            return value  # the config will say what is wrong with it
    if not isinstance(value, dict):
        return value
    changed = dict[Any, Any]()
    for key, each in value.items():
        name = str(key).replace("-", "_")
        part = part_options(kind).get(name)
        own = None if part is None else part.of(str(value.get("kind", "")))
        changed[key] = change(name, each, kind) if own is None else _change_each(each, own, change)
    return changed
