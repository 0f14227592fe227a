"""The key frames of an edit: what is wrong with them before any work."""

from __future__ import annotations

import warnings
from math import ceil

from vedit.attention.kinds import ATTENTION
from vedit.backbone.outline import Outline
from vedit.config import EditConfig
from vedit.config.groups import NO_MOTION
from vedit.errors import ConfigError, VeditHint
from vedit.jobs.source import Footage
from vedit.key_frames import LONGEST


def check_count(config: EditConfig, footage: Footage) -> None:
    """Raise ConfigError for as many key frames as there are frames, or more; hint at some that lie so far apart that
    the clip's motion hardly leads from one to the next."""
    count, frames = config.key_frames, footage.frames
    if not isinstance(count, int):
        return
    if count >= frames:
        raise ConfigError(
            f"key_frames: {count} leave none of the {frames} frames that are edited to fill in; take fewer, or leave "
            "it out."
        )
    if (apart := ceil((frames - 1) / (count - 1))) > LONGEST:
        enough = ceil((frames - 1) / LONGEST) + 1
        warnings.warn(
            f"key_frames: {count} lie {apart} frames apart, and over more than {LONGEST} motion is followed badly; "
            f"take {enough} or more, or --key-frames auto",
            VeditHint,
            stacklevel=2,
        )


def check(config: EditConfig, outline: Outline) -> None:
    """Raise ConfigError for a model or an attention kind that key frames cannot be of."""
    if outline.layers.motion:
        raise ConfigError(
            "key_frames: motion modules join frames that follow each other, and key frames do not; load the model with "
            f"motion_adapter={NO_MOTION!r}, or edit a long clip in windows (--window 16)."
        )
    kind = config.attention
    if kind is not None and "flow" in ATTENTION.load(kind).needs:
        raise ConfigError(
            f"attention: {kind} follows the motion from frame to frame, and key frames are apart; take full, "
            "sparse_causal or first_frame, or leave it out."
        )
