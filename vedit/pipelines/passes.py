"""How often a job runs its network: what the work of its stages, as ``progress`` names them, is measured in."""

from __future__ import annotations

from vedit.config import EditConfig, GenerateConfig, InvertConfig, TuneConfig, mask_kind
from vedit.masks import NOISE_LEVELS, SAMPLES, word
from vedit.priors import inversion

LEARNING = 2
"""Passes that one step of tuning is worth: the way back takes as long as the way there."""


def passes(config: EditConfig | GenerateConfig | InvertConfig | TuneConfig) -> dict[str, float]:
    """Passes of the UNet, one for each branch, by stage and in the order of the stages.

    About: what a sound says is not counted, nor whether an inversion is in the cache or in doubt.
    """
    if isinstance(config, TuneConfig):
        return {"tuning": LEARNING * config.steps}
    if isinstance(config, InvertConfig):
        return {"inverting": inversion.passes(config.steps, config.refine), "reconstructing": config.steps}
    branches = 1 if config.guidance == 1 else 2
    if isinstance(config, GenerateConfig):
        return {"denoising": branches * config.steps}
    found: dict[str, float] = {}
    if config.tune:
        found["tuning"] = LEARNING * config.tune
    if config.mask == "auto" and config.source_prompt:
        found["finding where to edit"] = 2 * len(NOISE_LEVELS) * SAMPLES
    if mask_kind(config.mask) == "word":
        found["finding the word"] = len(word.NOISE_LEVELS)
    if config.prior == "inversion":
        found["inverting"] = inversion.passes(config.steps, config.refine)
        if config.gate and config.refine == 0:
            found["reconstructing"] = config.steps_taken
    lent = round(config.inject * config.steps_taken)
    found["denoising"] = branches * config.steps_taken + lent
    return found
