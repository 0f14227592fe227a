"""Layers that join frames, where these are a window of a long clip."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from vedit.adapters.loading import load_backbone
from vedit.attention.anchors import Anchors
from vedit.backbone import Backbone
from vedit.backbone.temporal import sinusoids, temporal_layers
from vedit.sampling.denoising import noise


@pytest.fixture
def backbone(sd1: Path) -> Backbone:
    return load_backbone(sd1, device="cpu")


def predicted(backbone: Backbone, x: Tensor) -> Tensor:
    with torch.no_grad():
        return backbone.predict(x[None], 300, backbone.embed(["a cat"]))[0]


def test_the_first_windows_statistics_hold_for_all(backbone: Backbone) -> None:
    backbone.layers.use_clip_wide_norm()
    x, anchors = noise(0, 3, (4, 8, 8)), Anchors()
    alone = predicted(backbone, x)
    with backbone.in_window(range(3), anchors):
        assert torch.equal(predicted(backbone, x), alone)
    with backbone.in_window(range(3, 6), anchors):
        torch.testing.assert_close(predicted(backbone, x), alone, atol=1e-5, rtol=1e-4)
    # A window of which all frames are alike would have other statistics of its own.
    still = x[:1].expand(2, -1, -1, -1)
    with backbone.in_window(range(3, 5), anchors):
        torch.testing.assert_close(predicted(backbone, still), alone[:1].expand_as(still), atol=1e-5, rtol=1e-4)
    assert (predicted(backbone, still)[0] - alone[0]).abs().max() > 1e-2


def test_motion_counts_in_a_window_as_in_the_clip(backbone: Backbone) -> None:
    backbone.layers.attach_temporal()
    for layer in temporal_layers(backbone.unet):
        torch.nn.init.normal_(layer.to_out[0].weight)
    x = noise(0, 3, (4, 8, 8))
    moving = predicted(backbone, x)
    with backbone.scaling_motion(torch.tensor([0.0, 0.0, 0.0, 1.0, 1.0, 1.0])):
        with backbone.in_window(range(3, 6)):
            torch.testing.assert_close(predicted(backbone, x), moving)
        with backbone.in_window(range(3)):
            still = predicted(backbone, x)
    backbone.layers.detach_temporal()
    torch.testing.assert_close(predicted(backbone, x), still)
    assert (moving - still).abs().max() > 1e-3


def test_positions_go_on() -> None:
    assert torch.equal(sinusoids((5, 7), 8), sinusoids(range(8), 8)[[5, 7]])
