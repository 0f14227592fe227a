"""Where a VAE's memory runs out, large pictures go through it in tiles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from vedit.adapters.loading import load_backbone
from vedit.backbone import Backbone


@pytest.fixture
def backbone(toy_model: Path) -> Backbone:
    return load_backbone(toy_model, device="cpu")


class Scarce:
    """Memory for pictures, or their latents, of a side alone."""

    def __init__(self, net: torch.nn.Module, side: int) -> None:
        self.seen: list[int] = []
        self.side = side
        net.register_forward_pre_hook(self._check)

    def _check(self, _: Any, given: tuple[Tensor, ...]) -> None:
        self.seen.append(given[0].shape[-1])
        if given[0].shape[-1] > self.side:
            raise torch.OutOfMemoryError


def test_large_pictures_go_through_in_tiles_and_small_ones_whole(backbone: Backbone) -> None:
    cell, side = backbone.vae_scale_factor, backbone.vae.tile_sample_min_size
    across, down = torch.linspace(0, 1, 2 * side), torch.linspace(0, 1, side)[:, None]
    frames = torch.stack([across.expand(side, -1), down.expand(-1, 2 * side), across * down])[None]
    latents = backbone.encode(frames)
    decoded = backbone.decode(latents)
    encoder, decoder = Scarce(backbone.vae.encoder, side), Scarce(backbone.vae.decoder, side // cell)
    tiled, shown = backbone.encode(frames), backbone.decode(latents)
    assert tiled.shape == latents.shape
    assert shown.shape == decoded.shape
    assert (shown - decoded).abs().mean() < 0.2, "of a network that was never trained"
    assert encoder.seen[0] == 2 * side
    assert max(decoder.seen) == side // cell, "what was too large to encode is not decoded whole"
    count = len(encoder.seen)
    assert torch.equal(backbone.encode(frames), tiled)
    assert max(encoder.seen[count:]) == side, "what was too large is not tried again"
    backbone.encode(frames[..., :side])
    assert encoder.seen[-1] == side
    assert not backbone.vae.use_tiling


def test_too_little_for_tiles_is_told(backbone: Backbone) -> None:
    Scarce(backbone.vae.encoder, 8)
    with pytest.raises(torch.OutOfMemoryError):
        backbone.encode(torch.zeros(1, 3, 64, 64))
