"""The disks of this machine: how much more they may take, and which folders share one."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DiskUse:
    """What is to be written into a folder.

    Attributes:
        what: it is, as a user reads it
        folder: it may not exist yet
        size: bytes
        way_out: what helps where the disk has no room for it; empty for nothing
    """

    what: str
    folder: Path
    size: float
    way_out: str = ""


@dataclass(frozen=True)
class Disk:
    """What is to be written on one disk, and how many bytes are free there; None where that cannot be told."""

    uses: tuple[DiskUse, ...]
    free: int | None

    @property
    def need(self) -> float:
        """Bytes that are to be written."""
        return sum(each.size for each in self.uses)


def disks(uses: Iterable[DiskUse]) -> Iterator[Disk]:
    """What is to be written, disk by disk."""
    found: dict[int | None, list[DiskUse]] = {}
    for each in uses:
        found.setdefault(_device(each.folder), []).append(each)
    for of_one in found.values():
        yield Disk(tuple(of_one), free_disk(of_one[0].folder))


def free_disk(folder: Path) -> int | None:
    """Bytes that this process may write into a folder, or, where it is not made yet, into the one that it will be made
    in. None where that cannot be told."""
    try:
        return shutil.disk_usage(_there(folder)).free
    except OSError:
        return None


def _device(folder: Path) -> int | None:
    try:
        return _there(folder).stat().st_dev
    except OSError:
        return None


def _there(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    whole = folder.absolute()
    return next((each for each in (whole, *whole.parents) if each.exists()), whole)
