"""Sizes of the miniature: ``small``, which ships, trains on a CPU in hours; the others want a GPU."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Preset:
    vae_channels: tuple[int, int, int, int]
    unet_channels: tuple[int, ...]
    heads: int
    text_width: int
    text_layers: int


PRESETS = {
    "small": Preset((32, 64, 96, 96), (32, 64, 128), heads=2, text_width=128, text_layers=2),
    # As many weights as small, more of them where the latents are finest: limbs are one latent wide.
    "medium": Preset((32, 64, 96, 96), (64, 80, 96), heads=2, text_width=128, text_layers=2),
    "large": Preset((32, 64, 96, 96), (48, 96, 144), heads=3, text_width=128, text_layers=2),
}

LATENT_SCALE = 0.18215
"""Stable Diffusion's scaling factor: the VAE is normalised so that latents times this have unit deviation."""

TOKENS = 32
"""Length of a tokenised prompt."""

WORKSHOP = Path("runs/model")
"""The model's folder while it is made: each stage reads there what the earlier ones left, and puts its own part in."""
