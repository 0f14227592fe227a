"""librosa, whose loops numba compiles into a folder that no other process uses at the time.

numba keeps compiled functions on the disk, by default in one folder for all processes, and numbers the variants of a
function (one for each type of its arguments) as they come. Of two processes that compile variants of one function at
once, each may give its own the same number, and from then on every process that asks for the one is given the other,
and dies. So each process takes a folder that is nobody's while it runs: the first that is free, so that one process
after another finds what was compiled, and compiles nothing.

The rest of vedit has librosa from here. Where a program has imported librosa before, it is as that program has it.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from numba import config as _numba

from vedit.config import cache_folder


class FolderOfOurOwn:
    """The first of the numbered folders in ``root`` that no process holds; held as long as this is not let go of, and
    this process runs. Where ``root`` cannot be written, a temporary folder."""

    def __init__(self, root: Path) -> None:
        try:
            self.path, self._held = _first_free(root)
        except OSError:
            self.path = Path(tempfile.mkdtemp(prefix="vedit-numba-"))
            weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


def _first_free(root: Path) -> tuple[Path, FileLock]:
    for number in count():
        folder = root / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            continue
        return folder, lock
    raise AssertionError("there is always another number")


# Before librosa is imported: its functions look for their folder then. NUMBA_CACHE_DIR, where it is set, is the root.
_FOLDER = FolderOfOurOwn(Path(_numba.CACHE_DIR) if _numba.CACHE_DIR else cache_folder() / "numba")
_numba.CACHE_DIR = str(_FOLDER.path)
librosa: Any = import_module("librosa")
