"""Files of a batch that cannot lie beside each other, found before any is made."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vedit.config.faults import cut
from vedit.config.paths import absolute

if TYPE_CHECKING:
    from vedit.batches.configs import BatchJob


@dataclass(frozen=True)
class _Owner:
    """Who has a ``path`` already: a ``job``, or where that is None, what is ``told`` of the path."""

    path: Path
    job: BatchJob | None = None
    told: str = ""


def collisions(found: Sequence[BatchJob], folder: Path, file: Path, own: Sequence[str]) -> Iterator[str]:
    """A fault for each job that writes what is written already, by itself too, or what is read; or that has the name of
    another.

    Args:
        folder: the batch's
        file: that the jobs were read from
        own: names of what the batch itself writes into its folder
    """
    taken = {_plain(folder / name): _Owner(folder / name, told="is the batch's own") for name in own}
    read = {_plain(absolute(file)): _Owner(file, told="is the file of jobs itself")}
    for job in found:
        for each in job.config.files_read():
            read.setdefault(_plain(absolute(each.path)), _Owner(each.path, told=f"is read by {job.where}"))
    holding, called = dict[str, _Owner](), dict[str, _Owner]()
    for job in found:
        met: list[tuple[Path, _Owner]] = []
        for path in job.files:
            inside = [each for each in path.parents if each.is_relative_to(folder) and each != folder]
            key, *above = map(_plain, (path, *inside))
            met += [(path, owners[each]) for owners, each in ((holding, key), (read, key)) if each in owners]
            met += [(path, taken[each]) for each in (key, *above) if each in taken]
            taken.setdefault(key, _Owner(path, job))
            holding.update({each: _Owner(path, job) for each in above if each not in holding})
        name = _plain(Path(job.name))
        met += [(job.output, called[name])] if name in called else []
        called.setdefault(name, _Owner(job.output, job))
        if met:
            yield _told(*met[0], job, folder)


def _told(path: Path, owner: _Owner, job: BatchJob, folder: Path) -> str:
    """The fault of a ``path`` of a ``job`` that cannot be written beside what its owner has."""
    shown = cut(path.relative_to(folder).as_posix())
    if owner.job is None:
        return f"{job.where}: {shown} {owner.told}; give another name"
    theirs, who = cut(owner.path.relative_to(folder).as_posix()), owner.job.where
    if owner.job is job:
        who = "the same job"
    elif who == job.where:
        who = "another of its combinations"
    if path == owner.path:
        met = f"is written by {who} too"
    elif _plain(path) == _plain(owner.path):
        met = f"is, to some file systems, {theirs} of {who}"
    elif _holds(path, owner.path) or _holds(owner.path, path):
        met = f"and {theirs} of {who} lie within each other"
    else:
        met = f"differs in its suffix alone from {theirs} of {who}"
    fields = ", ".join(f"{{{name}}}" for name in job.varying) or "{prompt} or {seed}"
    advice = "give each its own name" if owner.job is job else f"put what differs into the name, such as {fields}"
    return f"{job.where}: {shown} {met}; {advice}"


def _holds(folder: Path, path: Path) -> bool:
    return Path(_plain(path)).is_relative_to(_plain(folder))


def _plain(path: Path) -> str:
    """A path as file systems compare it that tell neither case nor the composition of letters apart."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", str(path)).casefold())
