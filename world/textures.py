"""The grounds of the world: seeded periodic textures, ``TILE`` pixels square, so that a camera can drift for ever."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from world.scene import SIZE, Background

Array = NDArray[np.floating[Any]]

TILE = 256
"""Period of every texture in pixels."""

GROUND: dict[Background, tuple[float, float, float]] = {
    "grass": (0.29, 0.45, 0.20),
    "sand": (0.80, 0.70, 0.50),
    "water": (0.22, 0.42, 0.58),
    "night": (0.06, 0.06, 0.15),
    "brick": (0.52, 0.27, 0.21),
    "stone": (0.50, 0.50, 0.52),
}
"""Mean colour of each ground, linear in [0, 1]."""


@lru_cache(maxsize=1024)
def texture(background: Background, seed: int) -> Array:
    """The tile (TILE, TILE, 3) of one ground, in [0, 1]."""
    rng = np.random.default_rng([7, seed])
    tint = np.asarray(GROUND[background], dtype=np.float32) * rng.uniform(0.93, 1.07, 3).astype(np.float32)
    shade = _PATTERNS[background](rng)[..., None]
    return np.clip(tint * (1 + shade) + 0.15 * shade, 0, 1).astype(np.float32)


def crop(background: Background, seed: int, x: float, y: float) -> Array:
    """The SIZE x SIZE view (H, W, 3) whose top left corner lies at (x, y) on the tile, bilinear and periodic."""
    tile = texture(background, seed)
    left, top = int(np.floor(x)), int(np.floor(y))
    columns, rows = np.arange(left, left + SIZE + 1) % TILE, np.arange(top, top + SIZE + 1) % TILE
    view = tile[rows[:, None], columns[None, :]]
    fraction_x, fraction_y = np.float32(x - left), np.float32(y - top)
    if fraction_x == 0 and fraction_y == 0:
        return view[:SIZE, :SIZE]
    across = view[:, :SIZE] * (1 - fraction_x) + view[:, 1:] * fraction_x
    return across[:SIZE] * (1 - fraction_y) + across[1:] * fraction_y


def _noise(rng: np.random.Generator, wavelength: tuple[float, float]) -> Array:
    """Periodic Gaussian noise of unit deviation, smooth below ``wavelength`` (x, y) pixels."""
    spectrum = np.fft.rfft2(rng.standard_normal((TILE, TILE)))
    fy, fx = np.fft.fftfreq(TILE)[:, None], np.fft.rfftfreq(TILE)[None, :]
    spectrum *= np.exp(-0.5 * ((fx * wavelength[0]) ** 2 + (fy * wavelength[1]) ** 2))
    spectrum[0, 0] = 0
    field = np.fft.irfft2(spectrum, s=(TILE, TILE))
    return (field / field.std()).astype(np.float32)


def _axes() -> tuple[Array, Array]:
    line = np.arange(TILE, dtype=np.float32)
    return np.broadcast_to(line, (TILE, TILE)), np.broadcast_to(line[:, None], (TILE, TILE))


def _grass(rng: np.random.Generator) -> Array:
    return 0.065 * _noise(rng, (8, 26)) + 0.045 * _noise(rng, (40, 40))


def _sand(rng: np.random.Generator) -> Array:
    _, y = _axes()
    ripple = np.sin(2 * np.pi * y * 12 / TILE + 2.0 * _noise(rng, (60, 60)) + rng.uniform(0, 6))
    return 0.035 * ripple + 0.02 * _noise(rng, (30, 30))


def _water(rng: np.random.Generator) -> Array:
    x, y = _axes()
    wave = np.sin(2 * np.pi * (y * 9 + x * 3) / TILE + 1.6 * _noise(rng, (50, 30)))
    return 0.10 * wave + 0.05 * _noise(rng, (50, 16))


def _night(rng: np.random.Generator) -> Array:
    x, y = _axes()
    field = 0.10 * _noise(rng, (60, 60))
    for star_x, star_y in rng.uniform(0, TILE, (26, 2)):
        dx, dy = (np.abs(a - b) for a, b in ((x, star_x), (y, star_y)))
        square = np.minimum(dx, TILE - dx) ** 2 + np.minimum(dy, TILE - dy) ** 2
        field = field + np.float32(rng.uniform(1.2, 2.4)) * np.exp(-square / np.float32(2.6))
    return field


def _brick(rng: np.random.Generator) -> Array:
    x, y = _axes()
    x, y = (x + rng.integers(TILE)) % TILE, (y + rng.integers(TILE)) % TILE
    row = np.floor(y / 16)
    inside_row, inside_brick = y % 16, (x + 16 * (row % 2)) % 32
    mortar = np.maximum(np.clip(2.0 - inside_row, 0, 1), np.clip(2.0 - inside_brick, 0, 1))
    bricks = rng.standard_normal((16, 8)).astype(np.float32)
    which = bricks[row.astype(int), (((x + 16 * (row % 2)) % TILE) // 32).astype(int)]
    return 0.24 * mortar + 0.06 * which * (1 - mortar) + 0.02 * _noise(rng, (20, 20))


def _stone(rng: np.random.Generator) -> Array:
    blotches = np.tanh(1.5 * _noise(rng, (26, 26)))
    return 0.07 * blotches + 0.02 * _noise(rng, (8, 8))


_PATTERNS = {"grass": _grass, "sand": _sand, "water": _water, "night": _night, "brick": _brick, "stone": _stone}
