"""Where an edit may happen: masks on latents, found or given, and keeping what lies outside of them."""

from __future__ import annotations

from vedit.masks.latent_blend import LatentBlend, latent_mask, untouched_pixels
from vedit.masks.pasting import edited_share, paste
from vedit.masks.prompt_difference import NOISE_LEVELS, SAMPLES, PromptDifference, compare_prompts
from vedit.masks.user_mask import box_mask, check_mask, fit_mask, read_mask
from vedit.masks.word import word_mask

__all__ = [
    "NOISE_LEVELS",
    "SAMPLES",
    "LatentBlend",
    "PromptDifference",
    "box_mask",
    "check_mask",
    "compare_prompts",
    "edited_share",
    "fit_mask",
    "latent_mask",
    "paste",
    "read_mask",
    "untouched_pixels",
    "word_mask",
]
