"""Which files a config reads and writes, and which setting names each: its annotations say it (``paths``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from vedit import registry
from vedit.config.paths import IsPath, NamesFiles
from vedit.errors import PartError


@dataclass(frozen=True)
class NamedFile:
    """A file or folder, and the setting that names it: "clip", "control file".

    whole: whether all that lies in a folder counts, as in a model's
    """

    setting: str
    path: Path
    whole: bool = False


@dataclass(frozen=True)
class PartOptions:
    """Stands in the annotation of a mapping: the options of a part of this ``family``, whose kind is the field
    ``kind``."""

    family: str

    def of(self, kind: str) -> type[BaseModel] | None:
        """The options of a part of this kind; None where it cannot be had, which whoever makes it is told."""
        try:
            options: type[BaseModel] = registry.load(self.family, kind).Options
        except PartError:
            return None
        return options


def files_read(config: BaseModel) -> list[NamedFile]:
    """The files and folders that the settings of ``config`` read, in the order of its fields; some may not be there."""
    kind, found = type(config), list[NamedFile]()
    for field in kind.model_fields:
        value, how, part = getattr(config, field), naming(kind).get(field), part_options(kind).get(field)
        if field in settings_within(kind):
            inner = [file for each in _each(value) for file in files_read(each)]
            found += [replace(file, setting=f"{field} {file.setting}") for file in inner]
        elif how is not None and not how.written:
            found += [NamedFile(field, path, how.whole) for each in _each(value) for path in how.paths(each)]
        elif part is not None:
            found += _read_by_part(part.of(getattr(config, "kind", "")), value)
    return found


def fields_written(kind: type[BaseModel]) -> list[str]:
    """The settings of a config that name what is written."""
    return [field for field, how in naming(kind).items() if how.written]


@cache
def naming(kind: type[BaseModel]) -> Mapping[str, NamesFiles]:
    """The settings of a config that name files, and how."""
    found = dict[str, NamesFiles]()
    for field in kind.model_fields:
        said = list(_said(kind, field))
        plain = [IsPath()] if any(each is Path for each in said) else []
        if how := [*(each for each in said if isinstance(each, NamesFiles)), *plain]:
            found[field] = how[0]
    return found


@cache
def settings_within(kind: type[BaseModel]) -> Mapping[str, type[BaseModel]]:
    """The settings of a config that hold settings of their own, one or several, and of which kind."""
    found = {
        field: [each for each in _said(kind, field) if isinstance(each, type) and issubclass(each, BaseModel)]
        for field in kind.model_fields
    }
    return {field: inner[0] for field, inner in found.items() if inner}


@cache
def part_options(kind: type[BaseModel]) -> Mapping[str, PartOptions]:
    """The settings of a config that hold the options of a part."""
    return {field: each for field in kind.model_fields for each in _said(kind, field) if isinstance(each, PartOptions)}


def _read_by_part(kind: type[BaseModel] | None, options: Mapping[str, Any]) -> list[NamedFile]:
    """The files that the options of a part name; of a part that cannot be had, or refuses them, any text may be one."""
    if kind is not None:
        with suppress(ValidationError):
            return files_read(kind.model_validate(dict(options)))
    texts = {name: text for name, text in options.items() if isinstance(text, str) and "\0" not in text}
    return [NamedFile(name, Path(text)) for name, text in texts.items()]


def _said(kind: type[BaseModel], field: str) -> Iterator[Any]:
    """All that the annotation of a field is made of, notes before the type that they are about."""
    own = kind.model_fields[field]
    yield from own.metadata
    yield from _made_of(own.annotation)


def _made_of(annotation: Any) -> Iterator[Any]:
    arguments = get_args(annotation)
    if get_origin(annotation) is Annotated:
        annotation, *notes = arguments
        arguments = (annotation,)
        yield from notes
    else:
        yield annotation
    for each in arguments:
        yield from _made_of(each)


def _each(value: Any) -> Iterable[Any]:
    """The one or several things that a setting holds; none where it is None."""
    if isinstance(value, Mapping):
        return value.values()
    if isinstance(value, (tuple, list, set, frozenset)):
        return value
    return () if value is None else (value,)
