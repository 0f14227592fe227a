"""Where an edit may happen: masks on latents, found or given, and keeping what lies outside of them."""

from __future__ import annotations

from vedit.masks.latent_blend import Keep, cells, paste, untouched
from vedit.masks.prompt_difference import NOISE_LEVELS, SAMPLES, Difference, compare_prompts
from vedit.masks.user_mask import box_mask, check_mask, fitted, read_mask
from vedit.masks.word import word_mask

__all__ = [
    "NOISE_LEVELS",
    "SAMPLES",
    "Difference",
    "Keep",
    "box_mask",
    "cells",
    "check_mask",
    "compare_prompts",
    "fitted",
    "paste",
    "read_mask",
    "untouched",
    "word_mask",
]
