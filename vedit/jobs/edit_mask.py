"""The mask that an edit is asked to have: what is wrong with it before any work."""

from __future__ import annotations

from pathlib import Path

from vedit.config import IN_MEMORY, EditConfig, mask_kind
from vedit.errors import ConfigError
from vedit.jobs.source import probe_source
from vedit.masks import box_mask, check_mask


def check(config: EditConfig) -> None:
    """Find faults of the mask that show before a model is opened. Raises ConfigError and MediaError."""
    kind = mask_kind(config.mask)
    if config.mask == str(IN_MEMORY):
        raise ConfigError("the mask of these settings was in memory, not in a file; give one with --set mask=PATH.")
    if kind == "box":
        picture = probe_source(config)[0].size
        box_mask(config.mask, picture, picture)
    elif kind == "path":
        info, chosen = probe_source(config)
        check_mask(Path(config.mask), info.frames, len(chosen))
