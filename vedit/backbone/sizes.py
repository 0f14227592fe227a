"""The size at which a model works."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vedit.clip.sizes import Size, fit_size
from vedit.errors import MediaError, WeightsError

LEAST_SIDE = 8
"""Pixels: smaller pictures show nothing that could be edited."""


def check_pictures(size: Size) -> None:
    """Raise MediaError for pictures (H, W) too small to show anything."""
    height, width = size
    if min(size) < LEAST_SIDE:
        raise MediaError(
            f"pictures of {width}x{height} are too small to show anything; expected {LEAST_SIDE}x{LEAST_SIDE} or more."
        )


def working_size(size: Size, wanted: int | None, unet_config: Mapping[str, Any], vae_scale_factor: int) -> Size:
    """The size (H, W) to work at, in whole patches: the longer side as wanted, else the model's own; aspect kept.

    Raises MediaError for pictures that are too small.
    """
    check_pictures(size)
    return fit_size(size, wanted or native_side(unet_config, vae_scale_factor), multiple=vae_scale_factor)


def native_side(unet_config: Mapping[str, Any], vae_scale_factor: int) -> int | None:
    """The side in pixels of the pictures that a model was trained on: 512 for SD 1.5; None where it does not say."""
    latent = unet_config.get("sample_size")
    if isinstance(latent, (list, tuple)):
        latent = max(latent, default=None)
    if not latent:
        return None
    if not isinstance(latent, (int, float)) or latent < 1:
        raise WeightsError(f"the unet's sample_size is {latent!r}: expected the side of its latents, or null.")
    return int(latent) * vae_scale_factor
