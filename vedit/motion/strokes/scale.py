"""From a strokes file's coordinates to the pixels of a clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vedit.clip.sizes import Size
from vedit.errors import ConfigError
from vedit.motion.strokes.fields import Point

Array = NDArray[np.float64]

ASPECT = 0.02
"""By how much, as a share, the picture's aspect may differ from that of the file."""

ROUNDING = 8
"""Pixels by which a side may differ from the same aspect: models work at sides that are multiples of it."""


@dataclass(frozen=True)
class Scale:
    """From a ``canvas`` of (H, W) pixels, or of shares where it is None, to the pixels of pictures of ``size`` (H, W).

    Of a canvas of pixels, (0, 0) is the middle of the upper left one; of shares, its corner.
    """

    canvas: Size | None
    size: Size

    @property
    def factors(self) -> Array:
        """(2,) pixels for each unit, across and down."""
        height, width = self.canvas or (1, 1)
        return np.array([self.size[1] / width, self.size[0] / height])

    def points(self, points: Sequence[Point]) -> Array:
        """(N, 2)."""
        half = 0.0 if self.canvas is None else 0.5
        return (np.array(points, np.float64).reshape(-1, 2) + half) * self.factors - 0.5

    def length(self, length: float) -> float:
        """A length in pixels; where coordinates are shares, it is one of the shorter side."""
        return length * float(min(self.size) if self.canvas is None else self.factors.mean())

    def check(self) -> None:
        """Raise ConfigError where the aspects differ."""
        if self.canvas is None:
            return
        (height, width), (own_height, own_width) = self.size, self.canvas
        longer = max(self.size) / max(self.canvas)
        rounded = abs(own_height * longer - height) <= ROUNDING and abs(own_width * longer - width) <= ROUNDING
        if not rounded and abs((width / height) / (own_width / own_height) - 1) > ASPECT:
            raise ConfigError(
                f"the strokes are drawn on {own_width}x{own_height} pixels, and the picture is {width}x{height}; "
                "expected the same aspect."
            )
