"""Listening: what a sound does, video frame by video frame, so that it can drive an edit."""

from __future__ import annotations

from vedit.audio.envelope import in_shape, shaped
from vedit.audio.features import listen
from vedit.audio.model import Heard
from vedit.timeline import FEATURES

__all__ = ["FEATURES", "Heard", "in_shape", "listen", "shaped"]
