"""Clips: frames (F, 3, H, W) in [0, 1] at an exact rate, with their sound; read from and written to files."""

from __future__ import annotations

from vedit.clip.model import Clip
from vedit.clip.reading import ClipInfo, probe, read_clip
from vedit.clip.sizes import fit_size
from vedit.clip.sound import Audio, SoundSource

__all__ = ["Audio", "Clip", "ClipInfo", "SoundSource", "fit_size", "probe", "read_clip"]
