"""What decoders and imperfect generation do to a frame: the judges must read such frames as fairly as drawn ones."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import Tensor

AT_ONCE = 50
"""Frames that go through the VAE together."""


class Wear:
    """Wears frames: through the VAE of the model in a folder, or by blur and noise."""

    def __init__(self, model: Path, device: torch.device) -> None:
        self.device = device
        self.vae = AutoencoderKL.from_pretrained(model / "vae", torch_dtype=torch.float32).eval().to(device)

    @torch.no_grad()
    def through_vae(self, frames: Tensor) -> Tensor:
        """What the VAE makes of frames (B, 3, H, W) in [0, 1]."""
        again = []
        for some in frames.split(AT_ONCE):
            with torch.autocast(self.device.type, torch.bfloat16):
                latents = self.vae.encode(some.to(self.device) * 2 - 1).latent_dist.mean
                again.append(self.vae.decode(latents).sample.float().cpu())
        return (torch.cat(again) / 2 + 0.5).clamp(0, 1)


def worn(frames: Tensor, generator: torch.Generator) -> Tensor:
    """Blur, rescale and noise of random strength."""
    strength = float(torch.rand((), generator=generator))
    if strength > 0.4:
        side = int(128 * (1.2 - 0.7 * strength))
        small = F.interpolate(frames, size=(side, side), mode="bilinear", antialias=True)
        frames = F.interpolate(small, size=(128, 128), mode="bilinear")
    noise = torch.randn(frames.shape, generator=generator)
    return (frames + 0.05 * strength * noise).clamp(0, 1)
