"""Rain and snow: air that darkens or whitens, and seeded particles in it whose number follows the intensity.

The particles are as large as the miniature's autoencoder can show, which keeps four numbers of 8 x 8 pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from world.scene import SIZE, Weather

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class _Fall:
    air: tuple[float, float, float]
    """Colour that the picture fades to, RGB in [0, 1]."""
    thickness: float
    """Share of the air's colour at intensity 1."""
    colour: tuple[float, float, float]
    """Of a particle."""
    count: int
    """Particles in view at intensity 1."""
    velocity: tuple[float, float]
    """(x, y) in pixels per frame."""
    length: int
    width: float
    """Of a particle, along its fall and (a Gaussian's deviation) across it, in pixels."""


_FALLS: dict[Weather, _Fall] = {
    "rain": _Fall((0.05, 0.08, 0.16), 0.45, (0.75, 0.85, 1.0), 45, (-3.0, 17.0), 22, 1.5),
    "snow": _Fall((0.93, 0.94, 0.96), 0.4, (1.0, 1.0, 1.0), 55, (1.2, 3.4), 1, 3.0),
}


def seen_through(picture: Array, weather: Weather, intensity: float, seed: int, time: float) -> Array:
    """``picture`` (H, W, 3) in [0, 1] with the weather before it at ``time`` frames, ``intensity`` 0 to 1."""
    if weather == "clear":
        return picture
    fall = _FALLS[weather]
    fog = np.float32(fall.thickness * intensity)
    drops = 0.85 * _particles(fall, round(intensity * fall.count), seed, time)[..., None]
    veiled = picture * (1 - fog) + np.asarray(fall.air, dtype=np.float32) * fog
    return veiled * (1 - drops) + np.asarray(fall.colour, dtype=np.float32) * drops


def _particles(fall: _Fall, count: int, seed: int, time: float) -> Array:
    """Opacity (H, W) in [0, 1] of ``count`` particles; the first ones stay where they are when there are more."""
    opacity = np.zeros((SIZE, SIZE), dtype=np.float32)
    rng = np.random.default_rng([11, seed])
    reach = np.arange(-int(3 * fall.width), int(3 * fall.width) + 1)
    margin = fall.length + reach[-1]
    places = rng.uniform(0, SIZE + 2 * margin, (fall.count, 2))
    pace = rng.uniform(0.8, 1.2, (fall.count, 1))
    places = (places + pace * time * np.array(fall.velocity)) % (SIZE + 2 * margin) - margin
    # One streak is a few splats along the fall; a flake is one.
    along = np.array(fall.velocity) / np.hypot(*fall.velocity)
    points = (places[:count, None, :] + np.arange(fall.length)[None, :, None] * along).reshape(-1, 2)
    columns, rows = (np.floor(points[:, i, None] + 0.5).astype(int) + reach for i in (0, 1))
    splat_x = np.exp(-((columns - points[:, 0, None]) ** 2) / (2 * fall.width**2))
    splat_y = np.exp(-((rows - points[:, 1, None]) ** 2) / (2 * fall.width**2))
    splat = (splat_y[:, :, None] * splat_x[:, None, :]).astype(np.float32)
    keep = ((rows >= 0) & (rows < SIZE))[:, :, None] & ((columns >= 0) & (columns < SIZE))[:, None, :]
    where_y, where_x = np.broadcast_arrays(rows[:, :, None], columns[:, None, :])
    np.maximum.at(opacity, (where_y[keep], where_x[keep]), splat[keep])
    return opacity
