"""Where an edit may happen: masks on latents, found or given, and keeping what lies outside of them."""

from __future__ import annotations

from vedit.masks.difference import NOISE_LEVELS, SAMPLES, difference_mask
from vedit.masks.given import box_mask, check_mask, fitted, read_mask
from vedit.masks.keep import Keep, cells, paste, untouched
from vedit.masks.word import word_mask

__all__ = [
    "NOISE_LEVELS",
    "SAMPLES",
    "Keep",
    "box_mask",
    "cells",
    "check_mask",
    "difference_mask",
    "fitted",
    "paste",
    "read_mask",
    "untouched",
    "word_mask",
]
