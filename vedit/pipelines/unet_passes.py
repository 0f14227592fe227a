"""How many UNet passes each stage of a job takes: the unit of the progress bar and of the estimate."""

from __future__ import annotations

from dataclasses import dataclass

from vedit.config import EditConfig, GenerateConfig, InvertConfig, TuneConfig, mask_kind
from vedit.masks import NOISE_LEVELS, SAMPLES, word
from vedit.pipelines import guidance
from vedit.priors import inversion

LEARNING = 2
"""Passes that one step of tuning is worth: the way back takes as long as the way there."""


@dataclass(frozen=True)
class UNetRuns:
    """The UNet run so many ``times`` on all frames, with so many ``branches``; ``in_doubt`` where that may be left
    out."""

    stage: str
    what: str
    times: int
    branches: int = 1
    in_doubt: bool = False


def passes(config: EditConfig | GenerateConfig | InvertConfig | TuneConfig) -> dict[str, float]:
    """UNet passes of each stage, a branch counted as one pass, in the order of the stages.

    An estimate: the sound encoder's branch is not counted, nor the comparisons of single changes of the prompt, nor is
    it known whether an inversion is in the cache or has to be checked.
    """
    found: dict[str, float] = {}
    if isinstance(config, TuneConfig):
        return {"tuning": LEARNING * config.steps}
    if isinstance(config, EditConfig) and config.tune:
        found["tuning"] = LEARNING * config.tune
    for each in runs(config, encoder=False):
        if not each.in_doubt:
            found[each.stage] = found.get(each.stage, 0) + each.times * each.branches
    return found


def runs(config: EditConfig | InvertConfig | GenerateConfig, *, encoder: bool) -> list[UNetRuns]:
    """The runs of the UNet, tuning apart, in their order. ``encoder``: the model has a sound encoder."""
    if isinstance(config, GenerateConfig):
        return [UNetRuns("denoising", "denoising steps", config.steps, branches(config, encoder))]
    inverting = UNetRuns("inverting", "inversion steps", inversion.passes(config.steps, config.inversion_corrections))
    if isinstance(config, InvertConfig):
        return [inverting, UNetRuns("reconstructing", "reconstruction steps", config.steps)]
    found = []
    if config.mask == "auto" and config.source_prompt and not _heard(config, encoder):
        found.append(UNetRuns("finding where to edit", "comparisons of the prompts", len(NOISE_LEVELS) * SAMPLES, 2))
    if mask_kind(config.mask) == "word":
        found.append(UNetRuns("finding the word", "looks for the mask's word", len(word.NOISE_LEVELS)))
    if config.prior == "inversion":
        found.append(inverting)
        if config.check_inversion:
            doubt = config.inversion_corrections > 0
            what = f"reconstruction steps{', if in doubt' if doubt else ''}"
            found.append(UNetRuns("reconstructing", what, config.steps_taken, in_doubt=doubt))
    lent, ours = round(config.inject * config.steps_taken), branches(config, encoder)
    found.append(UNetRuns("denoising", "denoising steps with the source", lent, ours + 1))
    found.append(UNetRuns("denoising", "denoising steps", config.steps_taken - lent, ours))
    return [each for each in found if each.times]


def branches(config: EditConfig | GenerateConfig, encoder: bool) -> int:
    """The number of branches in a step: the negative prompt, the prompt, and the sound encoder's tokens."""
    return 3 if _heard(config, encoder) else 1 if config.guidance == 1 and config.audio is None else 2


def _heard(config: EditConfig | GenerateConfig, encoder: bool) -> bool:
    return config.audio is not None and guidance.audio_scale_of(config, encoder) != 0
