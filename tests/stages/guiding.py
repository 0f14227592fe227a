"""The guider of a config, as the stage of denoising makes it."""

from __future__ import annotations

from vedit.backbone import Backbone
from vedit.config import GenerateConfig, GuidanceSettings
from vedit.sampling.guiders import Guider
from vedit.stages.guidance import Guidance
from vedit.stages.soundtrack import Soundtrack
from vedit.stages.words import words_of


def guider_of(config: GenerateConfig, backbone: Backbone, track: Soundtrack) -> Guider:
    prompt, negative = words_of(backbone.tokenizer, config.prompt, config.negative_prompt)
    settings = config.part(GuidanceSettings)
    return Guidance(settings, prompt, negative, track.moments, track.timed_sound).guider(backbone)
