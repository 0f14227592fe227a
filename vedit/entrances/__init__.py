"""Entrances: the ways by which a condition enters a prediction, one file each.

An entrance changes what is asked of the network (``vedit.request.Request``) before it is asked. What it has to do with
the answer it leaves in the request: a branch beside, whose prediction guides, or the gradient of an energy.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor

from vedit.request import Request


class Entrance(ABC):
    """A way into a prediction. The same in all steps; what one step leaves for the next, ``begin`` makes."""

    holds_for_source: ClassVar[bool] = False
    """Whether it tells what the source shows too, so that it may steer the source's inversion, and the source beside an
    edit: residuals of its own edges do; what the edit alone is to show does not."""

    @abstractmethod
    def enter(self, request: Request, strength: Tensor) -> Request:
        """The request of one step, with this in it.

        Args:
            request: with what has entered already; it is left as it is
            strength: (F,) how strongly it acts in each frame
        """

    def begin(self) -> Entrance:
        """This entrance for one denoising: a fresh one where it remembers something from step to step."""
        return self

    def memory(self) -> Tensor | None:
        """What it remembers from step to step, of the clip's frames (F, ...) float32; None where that is nothing."""
        return None

    def remember(self, memory: Tensor) -> None:
        """Take over what ``memory`` was, where sampling goes on that was stopped."""
        raise NotImplementedError
