"""Text files of points, as MotionCtrl and Tora take them: "x, y" in each line."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from vedit.clip.sizes import Size
from vedit.files import read_text
from vedit.motion.strokes.importing.imported import Imported, Layout, unlike, way
from vedit.motion.strokes.schema import MOST_POINTS

CANVAS = (256, 256)
"""On which both draw, whatever the picture's size."""

LONGEST_LINE = 200
"""Characters."""

_LINE = re.compile(r"\s*(-?\d+(?:\.\d*)?)(?:\s*[,;]\s*|\s+)(-?\d+(?:\.\d*)?)\s*")


def motionctrl(path: Path, canvas: Size | None = None) -> Imported:
    """MotionCtrl's trajectory: 16 frames."""
    return _read(path, Layout("MotionCtrl", canvas or CANVAS, 16))


def tora(path: Path, canvas: Size | None = None) -> Imported:
    """Tora's trajectory: 49 frames, 8 per second."""
    return _read(path, Layout("Tora", canvas or CANVAS, 49, 8))


def _read(path: Path, layout: Layout) -> Imported:
    lines = [
        line for line in read_text(path, lambda said: unlike(path, layout.tool, said)).splitlines() if line.strip()
    ]
    if len(lines) > MOST_POINTS:
        raise unlike(path, layout.tool, f"it has {len(lines):,} points; expected at most {MOST_POINTS:,}")
    points = []
    for number, line in enumerate(lines, 1):
        if (found := _LINE.fullmatch(line[: LONGEST_LINE + 1])) is None or len(line) > LONGEST_LINE:
            raise unlike(path, layout.tool, f"line {number} is '{line.strip()[:30]}'; expected x, y")
        points.append([float(found[1]), float(found[2])])
    ways = [{"points": way(np.array(points).reshape(-1, 2), path, layout.tool)}]
    return layout.strokes(path, ways, f", {len(points)} points evenly over them")
