"""Condition: what steers beside the prompt, how strongly in each frame, and in which steps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

from torch import Tensor

from vedit.entrances import Entrance
from vedit.request import Request


class Attached(Protocol):
    """What a condition needs on the model (``vedit.adapters.Attachable``)."""

    def on(self, backbone: Any, /) -> AbstractContextManager[None]:
        """Within the block it is on ``backbone``."""


@dataclass(frozen=True, eq=False)
class Condition:
    """One source of guidance beside the prompt. Made by a conditioner.

    Attributes:
        entrance: how it enters a prediction
        envelope: (F,) its strength in each frame
        start, stop: the window in which it acts, as shares 0 (pure noise) to 1 (clean) of the whole trajectory
        adapter: what has to be on the model while it steers; None where the model is enough
    """

    entrance: Entrance
    envelope: Tensor
    start: float = 0.0
    stop: float = 1.0
    adapter: Attached | None = None

    def begin(self) -> Condition:
        """This condition for the steps of one denoising."""
        return replace(self, entrance=self.entrance.begin())

    def active(self, window: tuple[float, float]) -> bool:
        """Whether it acts in a step that begins and ends at these shares: all of the step must lie in the window."""
        return window[0] >= self.start and window[1] <= self.stop


def memories(conditions: Iterable[Condition]) -> dict[str, Tensor]:
    """What the conditions remember from step to step, under their numbers, where sampling is saved between two."""
    told = {f"memory.{number}": each.entrance.memory() for number, each in enumerate(conditions)}
    return {name: each for name, each in told.items() if each is not None}


def remember(conditions: Iterable[Condition], saved: Mapping[str, Tensor]) -> None:
    """Give back to the conditions of a sampling what ``memories`` told of them."""
    for number, each in enumerate(conditions):
        if (memory := saved.get(f"memory.{number}")) is not None:
            each.entrance.remember(memory)


def of_source(conditions: Iterable[Condition]) -> tuple[Condition, ...]:
    """Those of the conditions that hold for the source too."""
    return tuple(each for each in conditions if each.entrance.holds_for_source)


def enter(conditions: Iterable[Condition], request: Request, window: tuple[float, float]) -> Request:
    """The request of a step that begins and ends at these shares of the trajectory, with all that acts in it."""
    for each in conditions:
        if each.active(window):
            request = each.entrance.enter(request, each.envelope)
    return request


@dataclass(frozen=True)
class Stretch:
    """Some frames of a longer clip, side by side, that are sampled as if they were a clip.

    Attributes:
        first: the index of the first of them
        whole: how many frames the longer clip has
    """

    first: int
    whole: int

    def enter(self, conditions: Iterable[Condition], request: Request, window: tuple[float, float]) -> Request:
        """``enter``, for a request of these frames, of which the prompt and the conditions are of the longer clip.
        Energies do not enter it."""
        latents = request.latents
        longer = replace(request, latents=latents[:1].expand(self.whole, *latents.shape[1:]))
        entered = enter(conditions, longer, window).frames(range(self.first, self.first + len(latents)))
        return replace(entered, latents=latents)


@contextmanager
def attached(conditions: Iterable[Condition], backbone: Any) -> Iterator[None]:
    """Within the block, all that the conditions need is on ``backbone``; afterwards it is as it was."""
    with ExitStack() as stack:
        for each in conditions:
            if each.adapter is not None:
                stack.enter_context(each.adapter.on(backbone))
        yield
