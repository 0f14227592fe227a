"""Files as parts of a recipe: by what they hold, not by where they lie."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from vedit.files import file_digest


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
                told.update(each.name.encode(errors="surrogateescape") + b"\0" + file_digest(each))
            return cls(path, told.hexdigest())
        return cls(path, file_digest(path).hex())
