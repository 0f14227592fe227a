"""The guidance of each frame: prompt and negative prompt, the guidance scale in time, and what a sound adds."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vedit.backbone.model import Backbone
from vedit.conditioners.audio import TimedSound
from vedit.config import GuidanceSettings, window_of
from vedit.prompt import Prompt
from vedit.sampling.guiders import ClassifierFree, Guider, Unguided, lies_within
from vedit.shots import ONE_SHOT, Shots
from vedit.stages import prompt_schedule, soundtrack
from vedit.stages.words import Words
from vedit.timeline import Moments


@dataclass(frozen=True)
class Guidance:
    """What the frames of a clip are led to, and away from.

    Attributes:
        settings: the prompts in time, emphasis, scales
        prompt, negative: the embeddings of the settings' first and negative prompt
        moments: the frames, and what is heard in each
        sound: all of the sound that is followed, if there is one
        tokens: whether a sound encoder's tokens guide as well
        embedded: whether the model takes the scale as an input, in place of a branch for the negative prompt
    """

    settings: GuidanceSettings
    prompt: Words
    negative: Words
    moments: Moments
    sound: TimedSound | None = None
    tokens: bool = False
    embedded: bool = False

    @property
    def branches(self) -> int:
        """In a step: the negative prompt, the prompt, and the sound encoder's tokens."""
        return (1 if self._unguided else 2) + self.tokens

    def branches_in(self, window: tuple[float, float]) -> int:
        """Those of a step that begins and ends at these shares of the trajectory."""
        guided = self._unguided or lies_within(window, window_of(self.settings.guidance_interval))
        return self.branches if guided else 1

    @property
    def _unguided(self) -> bool:
        """What a sound says leads away from the negative prompt, so that this is needed for it too."""
        return self.embedded or (self.settings.guidance == 1 and self.sound is None)

    @property
    def embedded_scale(self) -> Tensor | None:
        """The guidance scale of each frame (F,), for a model that takes it; None for others."""
        return torch.tensor(self.settings.per_frame("guidance", self.moments)) if self.embedded else None

    def guider(self, backbone: Backbone, shots: Shots = ONE_SHOT) -> Guider:
        """From the negative prompt to the prompt; per frame where that is scheduled or emphasised. ``shots``: of the
        clip, which prompts may name. Raises ConfigError."""
        settings = self.settings
        if settings.prompt_at or settings.emphasis:
            prompt = prompt_schedule.per_frame(settings, backbone, self.moments, self._ahead, shots)
        else:
            prompt = Prompt(self.prompt.embedded(backbone))
        if self._unguided:
            return Unguided(prompt)
        scale = settings.per_frame("guidance", self.moments)
        negative, interval = Prompt(self.negative.embedded(backbone)), window_of(settings.guidance_interval)
        return ClassifierFree(prompt, negative, scale, settings.apg_eta, interval)

    def _ahead(self, frames: int) -> Moments:
        """The moments of a longer clip of so many ``frames`` that begins with this one."""
        sound = None if self.sound is None else self.sound.sound
        return soundtrack.prepare(self.settings, frames, self.moments.rate, sound).moments
