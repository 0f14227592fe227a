"""What a stage has made so far, saved now and then, so that after a kill the next process goes on from there."""

from __future__ import annotations

import os
import shutil
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vedit.atomic import whole_file
from vedit.errors import MediaError, VeditError, VeditWarning
from vedit.mapped import file_size, read_whole, room_for, room_in_file, same_memory, to_disk, write_tensors

if TYPE_CHECKING:
    from vedit.graph.store import Store

EVERY = 20.0
"""Seconds of work after which it is saved again."""

CHAPTER = "chapter"
"""What a state calls the number of its chapter."""

SHARE = 10
"""Times as long as saving took it waits at least, so that saving takes a tenth of the time at most."""


@dataclass
class Unfinished:
    """The state of one stage that is being made, in a store. It is written whole or not at all.

    What cannot be saved is told once, and the stage goes on without.

    Attributes:
        store: which it counts in, as what is kept does
        key, title: of the stage
    """

    store: Store
    key: str
    title: str
    _saved: float = field(default_factory=lambda: time.monotonic())
    _took: float = 0.0
    _able: bool = True
    _rooms: dict[str, Tensor] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.store.unfinished / self.key

    @property
    def _state(self) -> Path:
        return self.folder / "state.safetensors"

    def room_for(self, name: str, shape: Sequence[int]) -> Tensor:
        """A tensor of float32 that is part of the state, and stays on the disk with all that is written into it.

        It may hold what was there before: only what ``read`` says of it counts. To be asked for before that.
        """
        path, told = self.folder / f"{name}.safetensors", {"title": self.title}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            size = file_size({name: torch.empty(tuple(shape), device="meta")}, told)
            if not path.exists() and not self.store.make_room(size):
                raise OSError("the cache has no room for it")
            room, new = room_in_file(path, name, shape, told)
        except OSError as error:
            self._give_up(error)
            return room_for(shape)
        if new:
            self._state.unlink(missing_ok=True)  # it was that of another file
        self._rooms[name] = room
        return room

    def path(self, name: str) -> Path | None:
        """Where to save what has a form of its own; None where nothing can be written."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self._give_up(error)
        return self.folder / name if self._able else None

    def read(self) -> dict[str, Tensor] | None:
        """What was saved last; None where nothing was, or it is damaged."""
        return read_whole(self._state) if self._able else None

    @property
    def due(self) -> bool:
        """Whether it is time to save."""
        return self._able and time.monotonic() - self._saved >= max(EVERY, SHARE * self._took)

    def save(self, tensors: Mapping[str, Tensor]) -> None:
        """Put this in the place of what was saved before, once what lies in its rooms is on the disk too."""
        begun = time.monotonic()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            to_disk(*self._rooms.values())
            plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
            if not self.store.make_room(file_size(plain, {"title": self.title})):
                raise OSError("the cache has no room for it")
            with whole_file(self._state, overwrite=True) as beside:
                write_tensors(beside, plain, {"title": self.title})
        except (MediaError, OSError) as error:
            self._give_up(error)
        self._saved = time.monotonic()
        self._took = self._saved - begun

    def become(self, path: Path, tensors: Mapping[str, Tensor]) -> bool:
        """Make the one room of the state the file of a result that is made of that alone; whether it is."""
        if len(tensors) != 1 or tensors.keys() != self._rooms.keys():
            return False
        ((name, tensor),) = tensors.items()
        if not same_memory(tensor, self._rooms[name]):
            return False
        to_disk(tensor)
        (self.folder / f"{name}.safetensors").replace(path)
        os.utime(path)
        return True

    def remove(self) -> None:
        """Let go of it, once the stage is made."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _give_up(self, error: Exception) -> None:
        if self._able:
            warnings.warn(
                f"the {self.title} is not saved while it is made ({error}); after a kill it begins anew.",
                VeditWarning,
                stacklevel=4,
            )
        self._able = False


@dataclass(frozen=True)
class Chapter:
    """One of several stretches of a stage that follow each other, each with a state of its own: only that of the last
    one that was begun is kept.

    Attributes:
        unfinished: of the stage
        number: which it is, counted from 0
    """

    unfinished: Unfinished
    number: int

    @classmethod
    def of(cls, unfinished: Unfinished | None, number: int) -> Chapter | None:
        """That of a stage that is saved, if it is."""
        return None if unfinished is None else cls(unfinished, number)

    @classmethod
    def begun(cls, unfinished: Unfinished | None) -> int:
        """Which one a stage that was stopped had come to; those before it are over."""
        saved = None if unfinished is None else unfinished.read()
        return 0 if saved is None else int(saved[CHAPTER])

    @property
    def due(self) -> bool:
        """As of the stage."""
        return self.unfinished.due

    def read(self) -> dict[str, Tensor] | None:
        """What was saved last of this one; None where that is nothing."""
        saved = self.unfinished.read()
        return None if saved is None or int(saved[CHAPTER]) != self.number else saved

    def save(self, tensors: Mapping[str, Tensor]) -> None:
        """Put this in the place of what was saved before, of whichever chapter."""
        self.unfinished.save({CHAPTER: torch.tensor(self.number), **tensors})

    def remove(self) -> None:
        """As of the stage, all of it."""
        self.unfinished.remove()


@contextmanager
def forgotten(unfinished: Unfinished | Chapter | None) -> Iterator[None]:
    """Within the block, an error says that what was saved is of no use either, and it is let go of."""
    try:
        yield
    except VeditError:
        if unfinished is not None:
            unfinished.remove()
        raise
