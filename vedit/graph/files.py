"""Files as parts of a recipe: by what they hold, not by where they lie."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path


@dataclass(frozen=True)
class File:
    """A file that is read: ``digest`` names its bytes; its path does not count."""

    path: Path = field(compare=False)
    digest: str

    @classmethod
    def of(cls, path: Path) -> File:
        """A file, or a folder of files (a clip of pictures). Raises OSError where it cannot be read."""
        if path.is_dir():
            inside = sorted(each for each in path.iterdir() if each.is_file())
            told = hashlib.blake2b(digest_size=16)
            for each in inside:
                told.update(each.name.encode(errors="surrogateescape") + b"\0" + _digest_of(each).encode())
            return cls(path, told.hexdigest())
        return cls(path, _digest_of(path))


def _digest_of(path: Path) -> str:
    told = path.stat()
    return _digest(path, told.st_ino, told.st_size, told.st_mtime_ns)


@lru_cache(maxsize=4096)
def _digest(path: Path, inode: int, size: int, changed: int) -> str:
    """Read once, for as long as the file stays as it is."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
