"""Blending an edit into its source, latent by latent, so that what a mask closes is kept."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from vedit.clip.sizes import Size
from vedit.mapped import drawn_in_chunks, let_go

COVERED = 0.25
"""Share of a latent's pixels from which on a mask opens it wholly."""


@dataclass(frozen=True)
class LatentBlend:
    """Outside ``mask`` (F, 1, h, w) in [0, 1], latents follow ``trace`` (S + 1, F, 4, h, w), clean first."""

    mask: Tensor
    trace: Tensor

    def blend(self, x: Tensor, index: int, cut: slice) -> Tensor:
        """The latents of the frames of a ``cut`` after step ``index`` with the source's blended in where the mask
        closes them."""
        steps = len(self.trace) - 1
        source = self.trace[steps - index - 1, cut].to(x.device)
        blended = source + self.mask[cut].to(x.device) * (x - source)
        let_go(self.trace)
        return blended


def latent_mask(mask: Tensor, vae_scale_factor: int, steps: int) -> Tensor:
    """Where latents may change (F, 1, h, w), for a ``mask`` of pixels (F, 1, H, W), both in [0, 1]; it may be bool.

    A latent of which the mask covers a quarter is as open as the mask is there, one that it covers less is so in
    proportion: were it the covered share alone, the old attribute would shine through along the edge. Around them lies
    a soft edge, one latent wide, since a decoder looks beyond a latent's own pixels. ``LatentBlend`` blends after each
    of the ``steps``, so a grey g becomes the root that leaves g of what the first step changes.
    """

    def draw(part: Tensor) -> Tensor:
        level = F.max_pool2d(part.float(), vae_scale_factor)
        covered = F.avg_pool2d(part.float(), vae_scale_factor) / level.clamp(min=1e-6)
        opened = level ** (1 / steps) * (covered / COVERED).clamp(max=1)
        return torch.maximum(opened, surroundings(opened))

    return drawn_in_chunks(draw, mask)


def untouched_pixels(mask: Tensor, size: Size) -> Tensor:
    """The pixels (F, 1, *size), as 0 and 1, of the latents where a mask (F, 1, h, w) is 0."""
    return drawn_in_chunks(lambda part: F.interpolate((part == 0).float(), size=size, mode="nearest"), mask)


def surroundings(x: Tensor) -> Tensor:
    """Mean over 3 x 3 latents (F, 1, h, w), the border's repeated."""
    return F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
