"""Running a VAE in less memory: a large picture goes through it in tiles that overlap and fade into each other."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import torch

if TYPE_CHECKING:
    from diffusers import AutoencoderKL

T = TypeVar("T")


class TiledOnOutOfMemory:
    """Runs a VAE on whole pictures, and on tiles of the size that it was trained at where the memory of its device does
    not suffice for that.

    Tiles come out a little differently, since a VAE's norms take their statistics over all that it sees.
    """

    def __init__(self, vae: AutoencoderKL) -> None:
        self._vae = vae
        self._too_large: float = math.inf

    def __call__(self, pixels: int, run: Callable[[], T]) -> T:
        """``run``, which takes a picture of so many ``pixels`` through the VAE. What was once too large is not tried
        whole again. Raises OutOfMemoryError where tiles are too large as well."""
        if pixels < self._too_large:
            try:
                return run()
            except torch.OutOfMemoryError:
                self._too_large = pixels
            # Not before the error is gone, which holds on to what the failed pass has made.
            torch.cuda.empty_cache()
        self._vae.enable_tiling()
        try:
            return run()
        finally:
            self._vae.disable_tiling()
