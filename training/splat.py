"""Flow turned round by splatting, so that gradients lead back to it."""

from __future__ import annotations

import torch
from torch import Tensor

from vedit.flow import centres

SHARPNESS = 10.0
"""Of the softmax by which what moves covers what does not."""

COVERED = 0.5
"""Of a pixel, from which on something is seen there."""


def inverted(forward: Tensor) -> tuple[Tensor, Tensor]:
    """How far away what each pixel shows lay before it moved (B, 2, H, W), and where anything has come to (B, H, W)
    bool, given how far everything moves (B, 2, H, W), in pixels.

    Where several pixels come to one place, those that move otherwise than most lie in front.

    Source: Niklaus & Liu 2020, eq. 6.
    """
    size = forward.shape[2], forward.shape[3]
    flat = forward.flatten(2)  # (B, 2, H W)
    most = flat.median(2, keepdim=True).values
    stirring = (flat - most).detach().norm(dim=1, keepdim=True)
    front = (SHARPNESS * (stirring / stirring.amax(2, keepdim=True).clamp(min=1e-6) - 1)).exp()  # (B, 1, H W)
    landed = centres(size, size).to(forward).reshape(-1, 2).T + flat
    corner = landed.detach().floor()
    sums = forward.new_zeros(len(forward), 4, size[0] * size[1])
    for down in (0, 1):
        for across in (0, 1):
            place = corner + corner.new_tensor([across, down])[:, None]
            share = (1 - (landed - place).abs()).prod(1, keepdim=True)
            x, y = place.unbind(1)
            inside = (x >= 0) & (x < size[1]) & (y >= 0) & (y < size[0])
            share = share * inside[:, None]
            index = (y * size[1] + x).long().clamp(0, size[0] * size[1] - 1)[:, None].expand(-1, 4, -1)
            sums = sums.scatter_add(2, index, torch.cat([-flat * share * front, share * front, share], dim=1))
    backward, weight, cover = sums.split([2, 1, 1], dim=1)
    seen = cover > COVERED
    backward = torch.where(seen, backward / weight.clamp(min=1e-8), 0.0)
    return backward.unflatten(2, size), seen[:, 0].unflatten(1, size)
