"""Making results: in one process, each once, those that a store holds read from it."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import torch

from vedit.errors import MediaError, VeditWarning
from vedit.graph.stage import Stage
from vedit.graph.store import Store
from vedit.graph.unfinished import Unfinished
from vedit.mapped import is_large

T = TypeVar("T")


@dataclass(frozen=True)
class Plan:
    """What a goal takes: the stages to make, inputs first, and those that are kept already."""

    to_make: tuple[Stage[Any], ...]
    there: tuple[Stage[Any], ...]


def plan(*goals: Stage[Any], store: Store | None = None) -> Plan:
    """The stages that ``goals`` need, each once; nothing is made. What only a kept result was made of is left out."""
    to_make: dict[str, Stage[Any]] = {}
    there: dict[str, Stage[Any]] = {}

    def visit(stage: Stage[Any]) -> None:
        if stage.key in to_make or stage.key in there:
            return
        if stage.kept and store is not None and store.holds(stage.key):
            there[stage.key] = stage
            return
        for each in stage.needs():
            visit(each)
        to_make[stage.key] = stage

    for goal in goals:
        visit(goal)
    return Plan(tuple(to_make.values()), tuple(there.values()))


@dataclass
class Run:
    """Makes stages for one session. Results stay in memory as long as the run does.

    Args:
        session: given to each stage: models, the device, progress
        store: where kept results are; None keeps nothing. Warns once where it cannot be written, and goes on without
        made: told of each stage that was made, rather than found, and how many seconds it took
    """

    session: Any
    store: Store | None = None
    made: Callable[[Stage[Any], float], None] | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    """Spent on making, by the stages' titles; not on what was found."""
    _results: dict[str, Any] = field(default_factory=dict)

    def __call__(self, goal: Stage[T]) -> T:
        """The result of ``goal``, with all that it needs."""
        if goal.key not in self._results:
            self._results[goal.key] = self._kept(goal) if goal.kept and self.store is not None else self._make(goal)
        return cast(T, self._results[goal.key])

    def _kept(self, stage: Stage[T]) -> T:
        """From the store, else made and put there. Who comes second waits for the first, and makes nothing.

        What a stage is made of is asked for within its own turn, so that of two processes one makes all of it. Each
        waits only for stages that its own are made of, so that they never wait for each other.
        """
        store = cast(Store, self.store)
        if (tensors := store.read(stage.key)) is not None:
            return stage.unpack(tensors)
        with store.alone(stage.key):
            if (tensors := store.read(stage.key)) is not None:  # another process has made it meanwhile
                return stage.unpack(tensors)
            result = self._make(stage)
            packed = stage.pack(result)
            try:
                store.write(stage.key, stage.title, packed, self.session.unfinished if stage.resumes else None)
            except (MediaError, OSError) as error:
                self.store = None  # told once: what follows would fail alike
                warnings.warn(f"results are not kept for the next time: {error}", VeditWarning, stacklevel=2)
            large = is_large(sum(tensor.nbytes for tensor in packed.values()))
            if large and (tensors := store.read(stage.key)) is not None:
                return stage.unpack(tensors)  # which lies in the store: what was made takes no more room beside it
            return result

    def _make(self, stage: Stage[T]) -> T:
        given = {
            name: tuple(self(each) for each in value) if isinstance(value, tuple) else value and self(value)
            for name, value in stage.inputs.items()
        }
        if stage.resumes:
            kept = self.store if stage.kept else None
            self.session.unfinished = None if kept is None else Unfinished(kept, stage.key, stage.title)
        begun = time.perf_counter()
        result = stage.make(self.session, **given)
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()  # the time is that of the work, not of asking for it
        seconds = time.perf_counter() - begun
        if stage.title:
            self.seconds[stage.title] = self.seconds.get(stage.title, 0.0) + seconds
        if self.made is not None:
            self.made(stage, seconds)
        return result
