"""The key frames of an edit: what is wrong with them before any work."""

from __future__ import annotations

from vedit.attention.kinds import ATTENTION
from vedit.backbone.outline import Outline
from vedit.config import EditConfig
from vedit.config.groups import NO_MOTION
from vedit.errors import ConfigError
from vedit.jobs.source import Footage


def check_count(config: EditConfig, footage: Footage) -> None:
    """Raise ConfigError for as many key frames as there are frames, or more."""
    if isinstance(config.key_frames, int) and config.key_frames >= footage.frames:
        raise ConfigError(
            f"key_frames: {config.key_frames} are as many as the frames that are edited ({footage.frames}), which "
            "leaves none to fill in; take fewer, or leave it out."
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
