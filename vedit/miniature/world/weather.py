"""Rain and snow: seeded particles whose number follows the intensity."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedit.miniature.world.scene import SIZE, Weather

Array = NDArray[np.floating[Any]]

PARTICLES = 220
"""How many drops or flakes are in view at intensity 1."""

_VELOCITY: dict[str, tuple[float, float]] = {"rain": (-3.0, 17.0), "snow": (1.2, 3.4)}
_MARGIN = 12


def veil(weather: Weather, intensity: float, seed: int, time: float) -> Array:
    """Opacity (H, W) in [0, 1] of the weather at ``time`` frames; rising in ``intensity`` (0 to 1)."""
    opacity = np.zeros((SIZE, SIZE), dtype=np.float32)
    if weather == "clear":
        return opacity
    rng = np.random.default_rng([11, seed])
    places = rng.uniform(0, SIZE + 2 * _MARGIN, (PARTICLES, 2))
    pace = rng.uniform(0.8, 1.2, (PARTICLES, 1))
    places = (places + pace * time * np.array(_VELOCITY[weather])) % (SIZE + 2 * _MARGIN) - _MARGIN
    visible = places[: round(intensity * PARTICLES)]
    # One streak is a few splats along the fall; a flake is one wider splat.
    length, width = (7, 0.8) if weather == "rain" else (1, 1.5)
    fall = np.array(_VELOCITY[weather]) / np.hypot(*_VELOCITY[weather])
    points = (visible[:, None, :] + np.arange(length)[None, :, None] * fall).reshape(-1, 2)
    reach = np.arange(-3, 4)
    columns, rows = (np.floor(points[:, i, None] + 0.5).astype(int) + reach for i in (0, 1))
    splat_x = np.exp(-((columns - points[:, 0, None]) ** 2) / (2 * width**2))
    splat_y = np.exp(-((rows - points[:, 1, None]) ** 2) / (2 * width**2))
    splat = (splat_y[:, :, None] * splat_x[:, None, :]).astype(np.float32)
    keep = ((rows >= 0) & (rows < SIZE))[:, :, None] & ((columns >= 0) & (columns < SIZE))[:, None, :]
    where_y, where_x = np.broadcast_arrays(rows[:, :, None], columns[:, None, :])
    np.maximum.at(opacity, (where_y[keep], where_x[keep]), splat[keep])
    return 0.75 * opacity
