"""A UNet that takes its guidance as an input, as latent consistency models do."""

from __future__ import annotations

import pytest
import torch
from diffusers import LatentConsistencyModelPipeline

import vedit
from benchmarks.passes import counting
from tests.backbone import toys
from vedit.adapters.loading import load_backbone
from vedit.backbone import Backbone
from vedit.backbone.deep_features import DeepFeatures
from vedit.backbone.guidance_embedding import guidance_embedding
from vedit.sampling.denoising import noise


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    folder = tmp_path_factory.mktemp("models") / "lcm"
    return load_backbone(toys.sd_folder(folder, levels=2, layers=1, unet={"time_cond_proj_dim": 32}), device="cpu")


def test_it_is_diffusers_embedding() -> None:
    scale = torch.tensor([1.0, 4.5, 9.0])
    theirs = LatentConsistencyModelPipeline.get_guidance_scale_embedding(None, scale - 1, 32)
    torch.testing.assert_close(guidance_embedding(scale, 32), theirs, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_each_frame_is_told_its_own_scale(backbone: Backbone) -> None:
    x, text = noise(0, 3, (4, 8, 8))[None], backbone.embed(["a cat"])
    plain = backbone.predict(x, 300, text)
    with backbone.guided_by(torch.tensor([1.0, 8.0, 1.0])):
        guided = backbone.predict(x, 300, text)
        with backbone.in_window(range(1, 3)):
            torch.testing.assert_close(backbone.predict(x[:, 1:], 300, text), guided[:, 1:], atol=1e-5, rtol=1e-4)
        features = DeepFeatures(3)
        with backbone.keeping_deep(features):
            backbone.predict(x, 300, text)
            features.filling = False
            assert torch.equal(backbone.predict(x, 300, text), guided)
    assert [bool((guided[0, frame] - plain[0, frame]).abs().max() > 1e-5) for frame in range(3)] == [False, True, False]
    assert torch.equal(backbone.predict(x, 300, text), plain)


def test_it_takes_no_second_branch(backbone: Backbone) -> None:
    with counting(backbone) as tally:
        made = [
            vedit.generate(backbone, "a cat", frames=2, steps=3, sampler="lcm", guidance=each).clip.frames
            for each in (1.0, 8.0)
        ]
    assert tally.branches == {"denoising": 6}
    assert not torch.equal(*made)
