"""How much slower than float32 each dtype is on this CPU, measured, since neither its name nor its flags tell."""

from __future__ import annotations

import time
import warnings
from functools import cache

import torch

from vedit.errors import VeditWarning

SLOW = 2.0
"""Times that a format may take as long as float32 before it is warned of."""


@cache
def slowdown(dtype: torch.dtype) -> float:
    """How many times as long as in float32 a convolution and a product, which are most of a UNet, take on this CPU."""
    return _seconds(dtype) / _seconds(torch.float32)


def warn_if_slow(dtype: torch.dtype) -> None:
    """Warn of a format that this CPU has no units for: it is emulated."""
    if dtype != torch.float32 and (times := slowdown(dtype)) > SLOW:
        name = str(dtype).removeprefix("torch.")
        warnings.warn(
            f"{name} is about {times:.0f} times slower than float32 on this CPU, which has no units for it; "
            "leave --dtype, or say float32.",
            VeditWarning,
            stacklevel=3,
        )


@torch.no_grad()
def _seconds(dtype: torch.dtype) -> float:
    """The quickest of three, after one that is not counted."""
    generator = torch.Generator().manual_seed(0)
    picture, kernel, rows, square = (
        torch.randn(shape, generator=generator).to(dtype)
        for shape in ((1, 64, 16, 16), (64, 64, 3, 3), (256, 256), (256, 256))
    )
    times = []
    for _ in range(4):
        begun = time.perf_counter()
        torch.conv2d(picture, kernel, padding=1)
        torch.mm(rows, square)
        times.append(time.perf_counter() - begun)
    return min(times[1:])
