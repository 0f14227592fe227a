"""Places at which an edit runs in a process of its own, and may be killed."""

from __future__ import annotations

import multiprocessing
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

SERVER = multiprocessing.get_context("forkserver")
"""Processes that have imported everything when they begin, so that kills meet work."""

PATIENCE = 280
"""Seconds in which an edit ends, however much else this machine does."""


@dataclass(frozen=True)
class Desk:
    """A fresh place: a cache, a folder for the results, and a diary of what was made."""

    folder: Path

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def diary(self) -> Path:
        return self.folder / "diary.txt"

    @property
    def said(self) -> Path:
        """What the command has printed."""
        return self.folder / "said.txt"

    def taken(self) -> int:
        """Let this process work here, with the cache, the folder and the output of the desk; returns the diary, open
        to be written on."""
        os.environ["VEDIT_CACHE"] = str(self.cache)
        os.chdir(self.out)
        said = os.open(self.said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(said, 1)
        os.dup2(said, 2)
        return os.open(self.diary, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def results(self) -> dict[str, bytes]:
        """What lies in the folder of results under names of its own: whole files alone."""
        return {path.name: path.read_bytes() for path in self.out.iterdir() if not path.name.startswith(".vedit-")}

    def unfinished(self) -> list[Path]:
        """What was begun under a hidden name, and is not there under its own."""
        return [*self.out.glob(".*"), *self.cache.glob(".*"), *(self.cache / "unfinished").glob("*")]

    def kept(self) -> int:
        """Bytes in the cache, of unfinished files too."""
        return sum(path.stat().st_size for path in self.cache.rglob("*") if path.is_file())

    def count(self, event: str) -> Counter[str]:
        """How often each stage was "begun" or "made"."""
        lines = self.diary.read_text().splitlines() if self.diary.exists() else []
        return Counter(line.split(" ", 1)[1] for line in lines if line.startswith(f"{event} "))
