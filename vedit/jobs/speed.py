"""What of the settings that make sampling quicker goes together, and what a bundle of them has come to."""

from __future__ import annotations

import warnings

from vedit.backbone.outline import Outline
from vedit.config import Sampled
from vedit.config.speed import told
from vedit.errors import ConfigError, VeditWarning
from vedit.stages.noise import starts_from_clip

GUIDANCE_OF_LCM = 2.0
"""Most guidance of a LoRA made for the sampler lcm, which has learnt guidance: more leads too far."""


def check(config: Sampled) -> None:
    """Find faults that show before a model is opened. Raises ConfigError."""
    if config.sampler != "ddim" and starts_from_clip(config.prior):
        raise ConfigError(
            f"sampler: an inverted clip comes back by ddim alone, and {config.sampler} was asked for; leave it, or "
            "begin with fresh noise, such as --prior gaussian."
        )


def check_model(config: Sampled, outline: Outline) -> None:
    """Warn where the sampler lcm is asked for and the model is not made for it, as far as that can be told, or is led
    too far."""
    if config.sampler != "lcm" or outline.embeds_guidance:
        return
    if not config.lora:
        told = "is for checkpoints and LoRAs made for it; what others make by it is blurred"
    elif isinstance(config.guidance, float) and config.guidance > GUIDANCE_OF_LCM:
        told = f"goes with what has learnt guidance already: take --guidance 1 to {GUIDANCE_OF_LCM:g}"
    else:
        return
    warnings.warn(f"the sampler lcm {told}.", VeditWarning, stacklevel=3)


def sentences(config: Sampled) -> list[str]:
    """What a bundle of settings has come to, for a result's notes."""
    meaning = told(config)
    return [f"{meaning}."] if meaning else []
