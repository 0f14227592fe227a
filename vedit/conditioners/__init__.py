"""Conditioners: what steers an edit beside its prompt."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from vedit.clip import Clip
from vedit.condition import Condition
from vedit.config import Settings

if TYPE_CHECKING:
    from vedit.backbone.model import Backbone


class Conditioner(ABC):
    """Makes a condition of a clip in two phases: ``prepare`` looks at the clip, ``condition`` makes of it what the
    model takes."""

    Options: ClassVar[type[Settings]] = Settings
    """What can be chosen; every choice has a default."""

    def __init__(self, options: Any = None) -> None:
        self.options: Any = options or self.Options()

    @abstractmethod
    def prepare(self, clip: Clip) -> Any:
        """Look at the clip, at its working size. On the CPU; needs no model."""

    @abstractmethod
    def condition(self, prepared: Any, backbone: Backbone) -> Condition:
        """Make the condition of what was prepared, on the model's device."""
