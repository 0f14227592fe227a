"""Sizes, always (height, width), pictures brought to them, and the bounds of what is read."""

from __future__ import annotations

import math
from fractions import Fraction
from numbers import Integral

from torch import Tensor
from torch.nn import functional

from vedit.errors import MediaError
from vedit.mapped import in_chunks, lies_in_file, room_for

Size = tuple[int, int]

MAX_PIXELS = 2**25
"""The most pixels in one picture that are decoded, enough for 8K (7680x4320); what claims more is taken for an attack
or damage."""

SLOWEST, FASTEST = Fraction(1, 100), Fraction(1000)
"""Frames per second that a file may have; others are taken for damage."""


def fit_size(size: Size, target: int | Size | None, multiple: int = 8) -> Size:
    """The size (H, W) to work at, near `target`, each side a multiple of `multiple` and at least one of it.

    `target` as an int is the length of the longer side, the aspect kept; as a tuple it is (height, width); None
    keeps `size`. Rounding is to the nearest multiple. Raises MediaError for sizes below 1.
    """
    sides = size if target is None else target if isinstance(target, tuple) else (target,)
    if not all(isinstance(side, Integral) for side in sides) or len(sides) > 2:
        raise TypeError(f"a size is a whole number of pixels, or (height, width), not {target!r}")
    if len(sides) == 1:
        scale = sides[0] / max(size)
        height, width = size[0] * scale, size[1] * scale
    else:
        height, width = sides
    if min(sides) < 1:
        raise MediaError(f"size {target} is not possible; each side must be 1 pixel or more")

    def nearest(length: float) -> int:
        return max(1, int(length / multiple + 0.5)) * multiple

    return nearest(height), nearest(width)


def resize(frames: Tensor, size: Size) -> Tensor:
    """Frames (F, C, H, W) in [0, 1] at another size: bicubic, widened against aliasing along each shrinking side."""
    if tuple(frames.shape[-2:]) == size:
        return frames
    shape = (*frames.shape[:2], *size)
    if frames.requires_grad or frames.device.type != "cpu" or not lies_in_file(math.prod(shape) * 4):
        return _interpolated(frames, size)
    resized = room_for(shape, frames.dtype)
    for chunk in in_chunks(len(frames), frames, resized):
        resized[chunk] = _interpolated(frames[chunk], size)
    return resized


def _interpolated(frames: Tensor, size: Size) -> Tensor:
    resized: Tensor = functional.interpolate(frames, size=size, mode="bicubic", align_corners=False, antialias=True)
    return resized.clamp_(0.0, 1.0)
