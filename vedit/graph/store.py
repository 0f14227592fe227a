"""Where results are kept between jobs: a folder of safetensors files under their keys, bounded in size."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from torch import Tensor

from vedit.atomic import clear_left_over, whole_file
from vedit.graph.unfinished import Unfinished
from vedit.mapped import file_size, read_whole, write_tensors

BOUND = 8 * 2**30
"""Bytes that a store may hold."""


@dataclass(frozen=True)
class Entry:
    """A result that is kept: its key, what it is, its size in bytes, and when it was last used (seconds, epoch);
    ``unfinished`` where it is the state of one that is being made, or whose making was stopped."""

    key: str
    title: str
    size: int
    used: float
    unfinished: bool = False


@dataclass(frozen=True)
class Store:
    """Results by their keys. Safe for several processes: what is there is whole, and ``alone`` lets one at a time make
    what is not.

    Args:
        folder: made when something is first kept
        bound: bytes that are never passed; what was not used for longest goes first
    """

    folder: Path
    bound: int = BOUND

    def for_job(self, size: int) -> Store:
        """The same, with room for the results of a job, of so many bytes, whatever the bound is: it goes on after a
        kill only from what is kept."""
        return replace(self, bound=max(self.bound, size))

    def growth(self, size: int) -> int:
        """By how many bytes the folder grows where so many more are kept, which push out what would pass the bound."""
        return max(0, min(size, self.bound - sum(entry.size for entry in self.entries())))

    @property
    def unfinished(self) -> Path:
        """Where the states of stages lie that are being made, each in a folder under its key."""
        return self.folder / "unfinished"

    def holds(self, key: str) -> bool:
        """Whether a result is there."""
        return self._file(key).is_file()

    def read(self, key: str) -> dict[str, Tensor] | None:
        """A result's tensors; None for one that is not there, or damaged, which is then forgotten."""
        path = self._file(key)
        tensors = read_whole(path)
        if tensors is not None:
            with suppress(OSError):
                os.utime(path)
            shutil.rmtree(self.unfinished / key, ignore_errors=True)  # where a kill came between
        return tensors

    def write(self, key: str, title: str, tensors: Mapping[str, Tensor], unfinished: Unfinished | None = None) -> None:
        """Keep a result, whole or not at all; not one for which there is no room. Then the state that it was made from,
        ``unfinished``, is let go of.

        Raises MediaError or OSError where the disk is full or read-only.
        """
        if unfinished is not None and unfinished.become(self._file(key), tensors):
            unfinished.remove()
            return
        plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        if sum(tensor.nbytes for tensor in plain.values()) > self.bound:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._changing():
            if not self._make_room(file_size(plain, {"title": title})):
                return
            with whole_file(self._file(key), overwrite=True) as beside:
                write_tensors(beside, plain, {"title": title})
        if unfinished is not None:
            unfinished.remove()

    def make_room(self, wanted: int) -> bool:
        """Let go of what was not used for longest, until so many bytes more keep the bound. Whether there is room."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._changing():
            return self._make_room(wanted)

    @contextmanager
    def alone(self, key: str) -> Iterator[None]:
        """Within the block, which one process enters at a time, a result can be looked for and made."""
        with self._locked(key):
            yield

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Within the block, which one process enters at a time, the sum of what is kept can be relied on."""
        with self._locked("store"):
            yield

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        locks = self.folder / "locks"
        try:
            locks.mkdir(parents=True, exist_ok=True)
            lock = FileLock(locks / f"{name}.lock")
            lock.acquire()
        except OSError:  # where nothing can be kept, everyone makes their own
            yield
            return
        with lock:
            yield

    def entries(self) -> list[Entry]:
        """What is kept, the least recently used first; what is damaged too, since it takes room."""
        found = []
        for path in self.folder.glob("[!.]*.safetensors"):  # a hidden name is one that is being written
            with suppress(OSError):
                told = path.stat()
                found.append(Entry(path.stem, _title(path), told.st_size, told.st_mtime))
        for folder in self.unfinished.glob("*"):
            parts = sorted(path for path in folder.glob("*") if path.is_file())
            with suppress(OSError, ValueError):
                told_of = [path.stat() for path in parts]
                size, used = sum(each.st_size for each in told_of), max(each.st_mtime for each in told_of)
                title = next(filter(None, map(_title, parts)), "")
                found.append(Entry(folder.name, title, size, used, unfinished=True))
        return sorted(found, key=lambda entry: entry.used)

    def empty(self) -> int:
        """Let go of everything that is not being made; returns the bytes that were freed."""
        before = sum(entry.size for entry in self.entries())
        with self._changing():
            self._make_room(self.bound)
        return before - sum(entry.size for entry in self.entries())

    def _make_room(self, wanted: int) -> bool:
        """Let go of what was not used for longest, until so many bytes more keep the bound; what is being made is left.
        Whether there is room then."""
        clear_left_over(self.folder)
        entries = self.entries()
        size = sum(entry.size for entry in entries)
        for entry in entries:
            if size + wanted <= self.bound:
                break
            lock = FileLock(self.folder / "locks" / f"{entry.key}.lock")
            with suppress(Timeout, OSError), lock.acquire(blocking=False):
                if entry.unfinished:
                    shutil.rmtree(self.unfinished / entry.key, ignore_errors=True)
                else:
                    self._file(entry.key).unlink(missing_ok=True)
                size -= entry.size
        return size + wanted <= self.bound

    def _file(self, key: str) -> Path:
        return self.folder / f"{key}.safetensors"


def _title(path: Path) -> str:
    """What a result is; empty for one that is damaged."""
    try:
        with safe_open(path, "pt") as file:
            return (file.metadata() or {}).get("title", "")
    except (OSError, SafetensorError):
        return ""
