"""Conditioners: what steers an edit beside its prompt."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from vedit.clip import Clip
from vedit.condition import Condition
from vedit.part import Family, Part
from vedit.timeline import Moments

if TYPE_CHECKING:
    from vedit.backbone.model import Backbone


class Conditioner(Part, ABC):
    """Makes a condition in two phases: ``prepare`` looks and listens, ``condition`` makes of it what the model takes.

    An option that is to follow time or sound is a ``Varying`` between the bounds of ``varying(low, high)``;
    ``self.options.per_frame(name, moments)`` is its value in each frame.
    """

    @abstractmethod
    def prepare(self, clip: Clip | None, moments: Moments) -> Any:
        """Look at the clip, at its working size, and at what is heard. On the CPU; needs no model.

        Args:
            clip: None in a job without one, which a conditioner is asked in unless it ``needs`` "clip"
            moments: the frames, their rate, and what of a sound is heard in each

        Raises:
            ConfigError: for an option that has no value in some frame
        """

    @abstractmethod
    def condition(self, prepared: Any, backbone: Backbone) -> Condition:
        """Make the condition of what was prepared, on the model's device."""


CONDITIONERS = Family[Conditioner]("conditioners")
