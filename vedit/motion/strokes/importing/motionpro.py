"""MotionPro's JSON: key points of each trajectory, and a brush mask beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from vedit.clip.images import picture_facts
from vedit.clip.sizes import Size
from vedit.errors import ConfigError
from vedit.files import LARGEST_SETTINGS, read_json
from vedit.motion.strokes.importing.imported import Imported, Layout, unlike, way

TOOL = "MotionPro"

KEY = "traj_key_points"

CANVAS = (320, 512)
"""Of its networks, where no mask beside the file says another."""

FRAMES = 16


def is_its(path: Path) -> bool:
    """Whether a JSON file has MotionPro's key points."""
    try:
        if path.stat().st_size > LARGEST_SETTINGS:
            return False
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and KEY in content


def read(path: Path, canvas: Size | None = None) -> Imported:
    """The trajectories of a file, over 16 frames. A PNG of the file's name, or the one PNG beside it, is the brush: its
    size is the canvas, and what it covers moves along the first trajectory where there is only one."""
    content = read_json(path, lambda said: unlike(path, TOOL, said.rstrip(".")))
    given: Any = content.get(KEY)
    if not isinstance(given, list) or not given:
        raise unlike(path, TOOL, f"it has no {KEY}")
    if isinstance(given[0], list) and given[0] and not isinstance(given[0][0], list):
        given = [given]  # one trajectory by itself
    try:
        ways = [{"points": way(np.array(each, np.float64), path, TOOL)} for each in given]
    except (TypeError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        raise unlike(path, TOOL, f"its {KEY} hold what is no point") from error
    brush, more = _brush(path), ""
    if brush is not None:
        size, _ = picture_facts(brush)
        canvas, more = canvas or size, f", the size of {brush.name}"
        if len(ways) == 1:
            ways[0]["mask"] = str(brush.absolute())  # type: ignore[assignment]
    return Layout(TOOL, canvas or CANVAS, FRAMES).strokes(path, ways, more)


def _brush(path: Path) -> Path | None:
    if (own := path.with_suffix(".png")).is_file():
        return own
    beside = sorted(path.parent.glob("*.png"))
    return beside[0] if len(beside) == 1 else None
