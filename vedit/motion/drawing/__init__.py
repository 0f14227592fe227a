"""A page on which strokes are drawn over a picture, served on this machine only."""

from __future__ import annotations

from vedit.motion.drawing.server import DrawingServer

__all__ = ["DrawingServer"]
