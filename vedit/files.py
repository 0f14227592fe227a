"""Files that are read: small ones of text whole, up to a size, and the digest of any."""

from __future__ import annotations

import errno
import hashlib
import json
import stat
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from vedit.errors import VeditError

LARGEST_SETTINGS = 1_000_000
"""Bytes of a file of settings (YAML, JSON); more is not one."""


_PROCESSES = Path("/proc")
"""What lies there looks like plain files, and is none."""


def check_plain(path: Path, largest: int, error: Callable[[str], VeditError]) -> None:
    """Raise ``error`` unless a file is a plain one of at most ``largest`` bytes: pipes and devices never end.

    Raises OSError where it is not there, or lies in a closed folder.
    """
    size = path.stat().st_size
    if not path.is_file() or _PROCESSES in path.resolve().parents:
        raise error(f"'{path}' cannot be read: it is {'a folder' if path.is_dir() else 'no plain file'}.")
    if size > largest:
        raise error(f"'{path}' cannot be read: it has more than {largest:,} bytes.")


def read_text(path: Path, error: Callable[[str], VeditError], largest: int = LARGEST_SETTINGS) -> str:
    """The text of a plain file. Raises ``error`` for other things and where it is not UTF-8, and OSError."""
    check_plain(path, largest, error)
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as fault:
        raise error(f"'{path}' is not text.") from fault


def read_json(path: Path, error: Callable[[str], VeditError]) -> dict[str, Any]:
    """The one object that a plain JSON file holds. Raises ``error`` for other things, and OSError."""
    return json_object(read_text(path, error), f"'{path}'", error)


def json_object(
    text: str, what: str, error: Callable[[str], VeditError], twice: list[str] | None = None
) -> dict[str, Any]:
    """The one object that JSON holds. Keys that an object has twice, of which the last counts, are added to ``twice``.
    Raises ``error``, naming ``what`` was read."""

    def joined(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found and twice is not None:
                twice.append(key)
            found[key] = value
        return found

    try:
        content = json.loads(text, object_pairs_hook=joined)
    except (ValueError, RecursionError) as fault:
        reason = "it is nested too deeply" if isinstance(fault, RecursionError) else fault
        raise error(f"{what} cannot be read as JSON: {reason}.") from fault
    if not isinstance(content, dict):
        raise error(f"{what} holds no settings: expected a JSON object.")
    return content


def file_digest(path: Path) -> bytes:
    """16 bytes that name what a file holds; read once, for as long as the file stays as it is. Raises OSError, also for
    a device or a pipe, which have no end."""
    told = path.stat()
    if not stat.S_ISREG(told.st_mode):
        raise OSError(errno.EINVAL, "no plain file", str(path))
    return _digest(path, told.st_ino, told.st_size, told.st_mtime_ns)


@lru_cache(maxsize=4096)
def _digest(path: Path, inode: int, size: int, changed: int) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).digest()
