"""Listening: what a sound does, video frame by video frame, so that it can drive an edit."""

from __future__ import annotations

from vedit.listening.features import listen
from vedit.listening.heard import Heard
from vedit.listening.shaping import in_shape, shaped
from vedit.timeline import FEATURES

__all__ = ["FEATURES", "Heard", "in_shape", "listen", "shaped"]
