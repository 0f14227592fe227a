"""Settings that name files: what says so, and how their texts are paths.

A field names a file where its annotation says so, and nowhere else; a plain ``Path`` is one that is read::

    class Options(Settings):
        weights: InputPath | None = None
        drawing: OutputPath | None = None
        network: PathOrName = "owner/name"
"""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


class NamesFiles(ABC):
    """Stands in a field's annotation, and says how its texts name files."""

    written: bool = False
    """Whether the files are written; else they are read."""

    whole: bool = False
    """Whether all that lies in a folder counts, as in a model's."""

    @abstractmethod
    def anchored(self, text: str, folder: Path) -> str:
        """A text of a file in ``folder``, its relative path taken from there."""

    @abstractmethod
    def portable(self, text: str, folder: Path) -> str:
        """What ``anchored`` undoes: a path inside ``folder`` is relative to it, any other is absolute."""

    @abstractmethod
    def paths(self, value: Any) -> list[Path]:
        """The files and folders that a value of the field names."""


def _no_keyword(text: str) -> bool:
    return False


@dataclass(frozen=True)
class IsPath(NamesFiles):
    """A path, but for texts that are a ``keyword``."""

    written: bool = False
    keyword: Callable[[str], bool] = _no_keyword

    def anchored(self, text: str, folder: Path) -> str:
        kept = not text or self.keyword(text) or _ADDRESS.match(text)  # what is wrong with an address is told of it
        return text if kept else str(absolute(folder / expand_home(text)))

    def portable(self, text: str, folder: Path) -> str:
        if self.keyword(text):
            return text
        plain = from_folder(expand_home(text), folder)
        return f"./{plain}" if self.keyword(plain) else plain

    def paths(self, value: Any) -> list[Path]:
        return [] if self.keyword(str(value)) else [Path(value)]


@dataclass(frozen=True)
class MayBePath(NamesFiles):
    """A path where there is such a file or folder, and it is none of the ``names``; else a name.

    A file of settings means a path by ``./folder`` or ``folder/file`` alone.
    """

    names: frozenset[str] = frozenset()
    whole: bool = True

    def anchored(self, text: str, folder: Path) -> str:
        path = folder / expand_home(text)
        return str(absolute(path)) if "/" in text and is_there(path) else text

    def portable(self, text: str, folder: Path) -> str:
        path = expand_home(text)
        if text in self.names or not is_there(path):
            return text
        plain = from_folder(path, folder)
        return plain if Path(plain).is_absolute() else f"./{plain}"

    def paths(self, value: Any) -> list[Path]:
        path = expand_home(value)
        if value in self.names or not is_there(path):
            return []
        return [path] if path.is_dir() else [path, path.with_suffix("")]  # where the configs of one file of weights lie


def expand_home(path: str | Path) -> Path:
    """A path with its ~ replaced by the home folder; a name that only looks like a user's, such as ~.mp4, stays."""
    # Path.expanduser raises where there is no such user, and both where a user's name holds what none can.
    return Path(path if "\0" in str(path) else os.path.expanduser(path))  # noqa: PTH111


def absolute(path: Path) -> Path:
    """Without ".."; unlike ``Path.resolve``, links keep the names that they are called by."""
    return Path(os.path.abspath(path))  # noqa: PTH100


def is_there(path: str | Path) -> bool:
    """Whether a path exists; unlike ``Path.exists``, no for what lies in a closed folder, which reading will tell."""
    return os.path.exists(path)  # noqa: PTH110


def from_folder(path: Path, folder: Path) -> str:
    """A path as a file in the absolute ``folder`` says it: relative where it lies inside, else absolute."""
    whole = absolute(path)
    return whole.relative_to(folder).as_posix() if whole.is_relative_to(folder) else str(whole)


def local_path(value: Any) -> Any:
    """A text as a path of this machine. Raises ValueError for what cannot be one."""
    if isinstance(value, str):
        if not value.strip() or "\0" in value:
            raise ValueError("is no path")
        if _ADDRESS.match(value):
            raise ValueError("is an address; expected a file on this machine")
        return expand_home(value)
    return value


InputPath = Annotated[Path, BeforeValidator(local_path), IsPath()]
"""A file or folder that is read."""

OutputPath = Annotated[Path, BeforeValidator(local_path), IsPath(written=True)]
"""A file or folder that is written."""

PathOrName = Annotated[str, MayBePath()]
"""Weights: a file, a folder, or a name that they are known by."""
