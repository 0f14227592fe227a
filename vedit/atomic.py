"""Outputs that appear whole or not at all: written under a hidden name in the same folder, then renamed."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vedit.errors import MediaError

OUR_PICTURES = re.compile(r"\d{5,}\.png")
"""Names of the pictures in a folder that this project wrote: only such a folder is ever replaced."""


def check_target(path: str | Path, overwrite: bool = False) -> Path:
    """Say early, before any work, whether `path` can be written; raises MediaError, returns it as a Path."""
    target = Path(path)
    check_folder(target)
    try:
        target.lstat()
    except FileNotFoundError:
        return target
    except OSError as error:
        raise MediaError(f"{target} could not be written: {error.strerror}; choose another name") from error
    if not overwrite:
        raise MediaError(f"{target} exists already; choose another name, or --overwrite it")
    return target


def check_folder(target: Path) -> None:
    """Raise MediaError unless there is a folder for `target`, and it can be written into."""
    parent = target.parent
    try:
        there = parent.is_dir()
    except PermissionError as error:
        raise MediaError(f"{target}: no permission to look into {parent.parent}; choose another folder") from error
    if not there:
        raise MediaError(f"{target}: the folder {parent} does not exist; make it first, or choose another place")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise MediaError(f"{target}: no permission to write into {parent}; choose another folder")


@contextmanager
def whole_file(path: str | Path, overwrite: bool = False) -> Iterator[Path]:
    """A temporary file beside `path`, with its extension, renamed to `path` when the block ends well.

    On any failure the temporary file is removed and what was at `path` stays as it was. Raises MediaError where
    `path` exists and `overwrite` is False, where it is a folder, or where its folder is missing or not writable.
    """
    target = check_target(path, overwrite)
    clear_left_over(target.parent)
    if target.is_dir():
        raise MediaError(f"{target} is a folder, and a file was to be written; choose another name")
    beside = _beside(target)
    with _all_or_nothing(target, beside):
        beside.touch(exist_ok=False)
        yield beside
        check_target(target, overwrite)
        beside.replace(target)


@contextmanager
def whole_folder(path: str | Path, overwrite: bool = False) -> Iterator[Path]:
    """A temporary folder beside `path`, renamed to `path` when the block ends well; otherwise like `whole_file`.

    An existing folder is replaced only where `overwrite` is True and it holds nothing but numbered pictures (or
    nothing at all), so that no other files can be lost.
    """
    target = check_target(path, overwrite)
    clear_left_over(target.parent)
    if target.exists():
        others = [] if not target.is_dir() else [e.name for e in target.iterdir() if not OUR_PICTURES.fullmatch(e.name)]
        if not target.is_dir() or target.is_symlink() or others:
            what = f"holds other files ({others[0]})" if others else "is not a plain folder"
            raise MediaError(f"{target} {what} and is not replaced; choose another name")
    beside = _beside(target)
    with _all_or_nothing(target, beside):
        beside.mkdir()
        yield beside
        check_target(target, overwrite)
        if target.exists():
            old = target.with_name(f".vedit-old-{secrets.token_hex(8)}")  # a name that is never cleared
            target.replace(old)
            beside.replace(target)
            shutil.rmtree(old, ignore_errors=True)
        else:
            beside.replace(target)


def hidden_name(folder: Path, suffix: str = "") -> Path:
    """A new name in a folder for what ``clear_left_over`` removes once this process has ended."""
    return folder / f".vedit-{_here()}-{os.getpid()}-{secrets.token_hex(8)}{suffix}"


def _beside(target: Path) -> Path:
    # without the target's stem, with which the name could be too long for a file system
    return hidden_name(target.parent, target.suffix)


_BESIDE = re.compile(r"\.vedit-([0-9a-f]{8})-([0-9]{1,10})-[0-9a-f]{16}(\..*)?")


def _here() -> str:
    """Where the number of a process means this process: this machine, and on Linux this container on it."""
    try:
        inside = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        inside = ""
    return hashlib.sha256(f"{socket.gethostname()} {inside}".encode()).hexdigest()[:8]


def clear_left_over(folder: Path) -> None:
    """Remove the unfinished files and folders that processes of this machine left in ``folder`` when they were killed.

    What a process that still runs writes is left alone, and so is what another machine, or anything else, has named.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            name = _BESIDE.fullmatch(entry.name)
            if name is None or name[1] != _here() or _runs(int(name[2])):
                continue
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                with suppress(OSError):
                    Path(entry.path).unlink()


def _runs(process: int) -> bool:
    if os.name != "posix":  # where asking would end it
        return True
    try:
        os.kill(process, 0)  # which only asks
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # it runs for another user, or it cannot be told
        return True
    return True


@contextmanager
def _all_or_nothing(target: Path, beside: Path) -> Iterator[None]:
    try:
        yield
    except BaseException as fault:
        with suppress(OSError):  # what went wrong first is what is told
            if beside.is_dir():
                shutil.rmtree(beside, ignore_errors=True)
            else:
                beside.unlink(missing_ok=True)
        if isinstance(fault, OSError):
            raise MediaError(f"{target} could not be written: {fault.strerror or fault}") from fault
        raise
