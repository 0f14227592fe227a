"""Folders of files: DragAnything's masks and trajectories, Time-to-Move's moving mask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vedit.clip import read_clip
from vedit.clip.images import picture_facts
from vedit.clip.sizes import Size
from vedit.files import read_json
from vedit.motion.strokes.importing.imported import Imported, Layout, unlike, way

LEAST_SHARE = 1e-4
"""Of the picture, that something cut out has at least."""

SMOOTH = 1.5
"""Pixels by which an outline may be off where its corners are fewer."""


def draganything(path: Path, canvas: Size | None = None) -> Imported:
    """DragAnything's demo.json: for each thing a mask's picture and a trajectory in pixels of the original picture.

    ``path``: demo.json, or its folder. The canvas is the masks' size.
    """
    tool, file = "DragAnything", path / "demo.json" if path.is_dir() else path
    ways, sizes, count = list[dict[str, Any]](), list[Size](), 2
    for key, thing in read_json(file, lambda said: unlike(file, tool, said.rstrip("."))).items():
        points = thing.get("trajectory") if isinstance(thing, dict) else None
        if not isinstance(points, list):
            raise unlike(file, tool, f"'{key[:20]}' has no trajectory")
        each: dict[str, Any] = {"name": f"thing {key[:20]}", "points": way(_numbers(points, file, tool), file, tool)}
        if (name := thing.get("mask_name")) is not None:
            mask = _inside(file, str(name))
            if mask is None:
                raise unlike(file, tool, f"the mask '{str(name)[:60]}' of '{key[:20]}' is not in its folder")
            size, _ = picture_facts(mask)
            sizes.append(size)
            each["mask"] = str(mask)
        ways.append(each)
        count = max(count, len(points))
    if canvas is None and not sizes:
        raise unlike(file, tool, "no mask says the picture's size; give it with --canvas WIDTHxHEIGHT")
    layout = Layout(tool, canvas or sizes[0], count)
    return layout.strokes(file, ways, ", the size of its masks" if canvas is None else "")


def _inside(file: Path, name: str) -> Path | None:
    """A file of the folder that another lies in, by its name."""
    if "\0" in name:
        return None
    found = file.parent / name
    there = found.resolve().is_relative_to(file.parent.resolve()) and found.is_file()
    return found.absolute() if there else None


def _numbers(points: list[Any], path: Path, tool: str) -> NDArray[np.float64]:
    try:
        return np.array(points, np.float64)
    except (TypeError, ValueError) as error:
        raise unlike(path, tool, "a trajectory holds what is no point") from error


def time_to_move(path: Path, canvas: Size | None = None) -> Imported:
    """Time-to-Move's folder: a stroke along the middle of mask.mp4, which moves what it covers in the first frame.

    It has no coordinates: turning and growing are not found, and what the mask covers counts as one thing.
    """
    tool, file = "Time-to-Move", path / "mask.mp4"
    if not file.is_file():
        raise unlike(path, tool, "there is no mask.mp4")
    clip = read_clip(file, sound=False)
    shown = clip.frames.mean(1).numpy() > 0.5
    middles, frames = list[NDArray[np.float64]](), list[int]()
    for frame, mask in enumerate(shown):
        if mask.mean() >= LEAST_SHARE:
            down, across = np.nonzero(mask)
            middles.append(np.array([across.mean(), down.mean()]))
            frames.append(frame)
    if len(middles) < 2 or frames[0] != 0:
        raise unlike(file, tool, "it covers nothing in the first frame, or in no other")
    edges, _ = cv2.findContours(shown[0].astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = cv2.approxPolyDP(max(edges, key=cv2.contourArea), SMOOTH, True)[:, 0]
    each: dict[str, Any] = {"points": way(np.array(middles), file, tool), "times": frames}
    if len(outline) >= 3:
        each["mask"] = [[int(x), int(y)] for x, y in outline]
    layout = Layout(tool, clip.size, len(clip), max(1, round(clip.rate)))
    if canvas is not None and canvas != clip.size:
        raise unlike(file, tool, f"its clip is {clip.size[1]}x{clip.size[0]}; leave --canvas")
    return layout.strokes(path, [each], ", one stroke along the middle of the mask")
