"""What a sound adds to the pictures, beside what timelines make of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from vedit.condition import Condition
from vedit.conditioners.audio import TimedSound, sound_condition
from vedit.config import AudioConditionSettings
from vedit.graph import Stage
from vedit.session import Model, Session


@dataclass(frozen=True)
class SoundTokens(Stage[tuple[Condition, ...]]):
    """The tokens that a sound encoder makes of a sound, weighted in each frame.

    Attributes:
        strength: (F,) 0 not at all, 1 as much as the prompt
        settings: which encoder
    """

    sound: TimedSound
    strength: tuple[float, ...]
    settings: AudioConditionSettings
    model: Model

    title: ClassVar[str] = "listening"

    def make(self, session: Session) -> tuple[Condition, ...]:
        backbone = session.plain(self.model)
        return (sound_condition(self.sound, backbone, torch.tensor(self.strength), self.settings),)
