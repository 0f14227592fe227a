"""Strokes: files that say where things of a picture move, checked, and brought to a clip (docs/strokes.md)."""

from __future__ import annotations

from vedit.motion.strokes.drawn import Drawn
from vedit.motion.strokes.reading import read_strokes
from vedit.motion.strokes.schema import StrokesFile

__all__ = ["Drawn", "StrokesFile", "read_strokes"]
