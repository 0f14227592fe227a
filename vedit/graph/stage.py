"""A result that has a name before it is made: its recipe, and the results that it is made of.

    @dataclass(frozen=True)
    class Encode(Stage[Tensor]):
        clip: Stage[Clip]
        model: Model

        def make(self, session, clip):
            return session.backbone(self.model).encode(clip.frames)

The parameters of ``make`` beside the session name the fields that are inputs: a stage, a tuple of stages, or None where
there is no such input. All other fields are the recipe.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar

from torch import Tensor

from vedit import __version__
from vedit.graph.recipe import digest
from vedit.graph.work import Work

T = TypeVar("T")


@dataclass(frozen=True)
class Stage(Generic[T]):
    """One step of a job; subclasses are frozen dataclasses of their inputs and their recipe."""

    version: ClassVar[int] = 1
    """Raised when ``make`` comes to give another result for the same recipe within one version of vedit."""

    title: ClassVar[str] = ""
    """What it does, as progress and timings call it: "inversion"."""

    kept: ClassVar[bool] = False
    """Whether its result is kept on disk, for the next job that needs it; such a stage has ``pack`` and ``unpack``."""

    resumes: ClassVar[bool] = False
    """Whether ``make`` goes on from ``session.unfinished``, where it saves what it has made so far."""

    apart: ClassVar[bool] = False
    """Whether it is one of several that do not depend on each other, and long: a cluster makes each by itself."""

    def make(self, session: Any, *args: Any, **inputs: Any) -> T:
        """The result, from the results of the ``inputs``."""
        raise NotImplementedError

    def pack(self, result: T) -> Mapping[str, Tensor]:
        """The result as tensors, all of it."""
        raise NotImplementedError

    def unpack(self, tensors: Mapping[str, Tensor]) -> T:
        """The result that ``pack`` made these of, equal to the bit."""
        raise NotImplementedError

    def work(self) -> tuple[Work, ...]:
        """The networks that ``make`` runs; empty where it runs none, or none that counts."""
        return ()

    @property
    def frames_of_its_own(self) -> int | None:
        """How many frames it is of, where these are not the clip's that the job is about; None for those."""
        return None

    def room(self, frames: int, size: tuple[int, int], cell: int) -> int:
        """Bytes of what is kept of a result of so many frames of a ``size`` (H, W), about; 0 for next to nothing.

        Args:
            cell: pixels of a side for each of the latents
        """
        return 0

    def state(self, frames: int, size: tuple[int, int], cell: int) -> int:
        """Bytes of what a stage that ``resumes`` saves on the way, about, beside its result; ``frames``, ``size`` and
        ``cell`` as for ``room``, which it is by default."""
        return self.room(frames, size, cell)

    def scratch(self, frames: int, size: tuple[int, int], cell: int) -> int:
        """Bytes that a stage holds beside what ``room`` says, of so many frames, about: a result that is not kept, or
        is kept narrower than it is worked with, and what is made on the way. ``size`` and ``cell`` as there."""
        return 0

    @cached_property
    def inputs(self) -> dict[str, Stage[Any] | tuple[Stage[Any], ...] | None]:
        """The fields that ``make`` is given the results of."""
        names = list(inspect.signature(type(self).make).parameters)[2:]
        return {name: getattr(self, name) for name in names}

    def needs(self) -> Iterator[Stage[Any]]:
        """The stages that this one is made of, one after the other."""
        for value in self.inputs.values():
            yield from value if isinstance(value, tuple) else () if value is None else (value,)

    @cached_property
    def key(self) -> str:
        """The name of the result: alike for two stages exactly where kind, version, recipe and inputs are."""
        own = {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.compare}
        recipe = {name: value for name, value in own.items() if name not in self.inputs}
        made_of = {name: _keys(value) for name, value in self.inputs.items()}
        kind = f"{type(self).__module__}.{type(self).__qualname__}"
        version = f"{__version__} {self.version}"
        return digest({"kind": kind, "version": version, "recipe": recipe, "inputs": made_of})


class TensorStage(Stage[Tensor]):
    """One whose result is a tensor, kept as it is where it is kept."""

    def pack(self, result: Tensor) -> Mapping[str, Tensor]:
        return {"tensor": result}

    def unpack(self, tensors: Mapping[str, Tensor]) -> Tensor:
        return tensors["tensor"]


def _keys(value: Stage[Any] | tuple[Stage[Any], ...] | None) -> Any:
    if isinstance(value, tuple):
        return [each.key for each in value]
    return None if value is None else value.key
