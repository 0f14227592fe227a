"""Guidance that a distilled UNet takes as an input, beside the timestep, in place of a second branch."""

from __future__ import annotations

from torch import Tensor

PER_UNIT = 1000.0
"""What a unit of guidance is scaled by, so that it varies as timesteps do."""


def guidance_embedding(scale: Tensor, width: int) -> Tensor:
    """Sinusoids (B, width) of guidance scales (B,), of which 1 is none.

    Source: Meng et al. 2023, "On Distillation of Guided Diffusion Models", section 3; as latent consistency models have
    it, Luo et al. 2023.
    """
    from diffusers.models.embeddings import get_timestep_embedding

    embedded: Tensor = get_timestep_embedding(PER_UNIT * (scale - 1), width, downscale_freq_shift=1)
    return embedded
