"""The features of a sound, one value for each video frame, so that they can drive an edit."""

from __future__ import annotations

from vedit.audio.envelope import apply_envelope, envelope
from vedit.audio.features import extract_features
from vedit.audio.model import AudioFeatures
from vedit.timeline import FEATURES

__all__ = ["FEATURES", "AudioFeatures", "apply_envelope", "envelope", "extract_features"]
