"""Edits whose warnings are not under test."""

from __future__ import annotations

import warnings
from pathlib import Path

import vedit as package
from vedit.backbone import Backbone
from vedit.clip import Clip
from vedit.errors import VeditWarning


def edited(backbone: Backbone, clip: Clip | Path, prompt: str = "a cat", **settings: object) -> package.EditResult:
    """An edit of two steps through the API, without its warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VeditWarning)
        return package.edit(backbone, clip, prompt, **{"steps": 2, **settings})
