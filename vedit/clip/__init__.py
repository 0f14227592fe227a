"""Clips: frames (F, 3, H, W) in [0, 1] at an exact rate, with their sound; read from and written to files.

Names are imported when they are first asked for: what only works on tensors needs no library for files.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vedit.clip.audio import Audio, AudioOrigin
    from vedit.clip.model import Clip
    from vedit.clip.reading import ClipInfo, probe, read_clip
    from vedit.clip.sizes import fit_size

__all__ = ["Audio", "AudioOrigin", "Clip", "ClipInfo", "fit_size", "probe", "read_clip"]

_HOMES = {
    "Audio": "audio",
    "Clip": "model",
    "ClipInfo": "reading",
    "AudioOrigin": "audio",
    "fit_size": "sizes",
    "probe": "reading",
    "read_clip": "reading",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'vedit.clip' has no attribute '{name}'")
    value = getattr(import_module(f"vedit.clip.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
