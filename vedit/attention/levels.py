"""The levels of a UNet, as attention meets them."""

from __future__ import annotations

from vedit.clip.sizes import Size
from vedit.errors import ConfigError


def level_size(cells: Size, positions: int) -> Size:
    """The size (h, w) of the level of so many ``positions``, for latents of the size ``cells``: each level has half of
    the one above, rounded up.

    Raises ConfigError where no level has so many.
    """
    height, width = cells
    while height * width > positions:
        height, width = -(-height // 2), -(-width // 2)
    if height * width != positions:
        raise ConfigError(
            f"attention was prepared for latents of {cells[0]}x{cells[1]} and met {positions} positions: no level of "
            "theirs."
        )
    return height, width
