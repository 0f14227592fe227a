"""Imported: another tool's strokes as vedit's own, and what had to be assumed of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedit.clip.sizes import Size
from vedit.errors import ConfigError
from vedit.motion.strokes.reading import checked
from vedit.motion.strokes.schema import MOST_POINTS, MOST_STROKES, StrokesFile

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Imported:
    """Strokes, and in one sentence what was assumed of the file they come from; "" of one of vedit's own."""

    strokes: StrokesFile
    assumed: str = ""


@dataclass(frozen=True)
class Layout:
    """What a tool's files do not say of themselves.

    Attributes:
        tool: its name, as people write it
        canvas: (H, W) that coordinates lie on
        frames: that the points are spread over
        rate: frames per second; None where the tool has none
    """

    tool: str
    canvas: Size
    frames: int
    rate: int | None = None

    def strokes(self, path: Path, ways: Iterable[dict[str, Any]], more: str = "") -> Imported:
        """Strokes of a file, as a strokes file would have them, and what is said of them. Raises ConfigError."""
        height, width = self.canvas
        values: dict[str, Any] = {
            "version": 1,
            "size": [width, height],
            "frames": self.frames,
            "strokes": thinned(list(ways)),
        }
        if self.rate is not None:
            values["rate"] = self.rate
        pace = f" at {self.rate} per second" if self.rate else ""
        assumed = (
            f"{path.name} is read as {self.tool}'s: a canvas of {width}x{height}, {self.frames} frames{pace}{more}."
        )
        return Imported(checked(values, path), assumed)


def unlike(path: Path, tool: str, what: str) -> ConfigError:
    """A file is not as the tool writes it."""
    return ConfigError(f"{path} is not as {tool} writes it: {what}.")


def way(points: Array, path: Path, tool: str) -> list[list[float]]:
    """Points (N, 2) as a strokes file has them. Raises ConfigError for what are none."""
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 2:
        raise unlike(path, tool, f"a way of shape {points.shape}; expected 2 or more points of x and y")
    if not np.isfinite(points).all():
        raise unlike(path, tool, "a point is not a number")
    return [[round(float(x), 3), round(float(y), 3)] for x, y in points]


def chosen(count: int, most: int = MOST_STROKES) -> Sequence[int]:
    """Which of so many tracks are taken, spread over all of them, where there are more than a file may have."""
    return range(count) if count <= most else [int(each) for each in np.linspace(0, count - 1, most).round()]


def thinned(ways: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Strokes with fewer points, evenly left out but for the ends, where they have more than a file may."""
    most = max(2, MOST_POINTS // max(1, len(ways)))
    found = []
    for each in ways:
        count = len(each["points"])
        kept = np.linspace(0, count - 1, min(count, most)).round().astype(int)
        lists = {key: [each[key][index] for index in kept] for key in ("points", "times", "visible") if key in each}
        found.append(each | lists)
    return found
