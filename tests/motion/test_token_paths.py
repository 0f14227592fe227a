"""Which tokens of their key frames tokens come from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.test_flow import uniform
from vedit.adapters.loading import load_backbone
from vedit.attention.carried import TokenPaths
from vedit.attention.levels import level_size
from vedit.backbone import Backbone
from vedit.flow import Flow
from vedit.key_frames import KeyFrames
from vedit.motion.token_paths import token_paths
from vedit.sampling.denoising import noise

SIZE, CELLS = (32, 64), (4, 8)


@pytest.fixture
def backbone(toy_model: Path) -> Backbone:
    return load_backbone(toy_model, device="cpu")


def found(backbone: Backbone, flow: Flow, keys: KeyFrames, still: bool = False) -> TokenPaths:
    latents = noise(0, len(flow), (4, *CELLS))
    latents = latents[:1].expand_as(latents) if still else latents
    return token_paths(backbone, latents, backbone.embed(["a cat"]), flow, keys)


def test_tokens_come_along_the_motion(backbone: Backbone) -> None:
    """Everything goes a cell to the right in each frame."""
    paths = found(backbone, uniform((8.0, 0.0), 5, SIZE), KeyFrames((0, 4)))
    where, share = paths.where[32].view(2, 5, 4, 8), paths.share[32].view(2, 5, 4, 8)
    row = torch.arange(8)
    for frame in (1, 2, 3):
        before, after = row - frame, row + 4 - frame
        for side, there in enumerate((before, after)):
            inside = (there >= 0) & (there < 8)
            assert torch.equal(where[side, frame, 0, inside], there[inside])
        both = (before >= 0) & (after < 8)
        assert torch.allclose(share[0, frame, 0, both], torch.tensor(1 - frame / 4))
        assert (share[0, frame, :, (before >= 0) & (after >= 8)] == 1).all(), "seen in one, it is that one's"
        assert torch.allclose(share[:, frame].sum(0), torch.ones(4, 8))


def test_every_level_has_its_own_and_key_frames_have_none(backbone: Backbone) -> None:
    paths = found(backbone, uniform((8.0, 0.0), 7, SIZE), KeyFrames((0, 3, 6)))
    assert len(paths.where) == len(backbone.unet.config.block_out_channels)
    for tokens in paths.where:
        assert tokens == level_size(CELLS, tokens)[0] * level_size(CELLS, tokens)[1]
        assert (paths.share[tokens][:, [0, 3, 6]] == 0).all()
        assert torch.allclose(paths.share[tokens][:, [1, 2, 4, 5]].sum(0), torch.tensor(1.0))


def test_where_paths_end_tokens_come_from_what_looks_alike(backbone: Backbone) -> None:
    """What the middle frame shows lies two cells to the left in both of the others, and no flow says so."""
    still = uniform((0.0, 0.0), 3, SIZE)
    lost = Flow(still.forward, still.backward, torch.ones_like(still.hidden), torch.ones_like(still.appeared))
    shown = 3 * noise(0, 1, (4, *CELLS))
    latents = torch.cat([shown, shown.roll(2, dims=3), shown])
    paths = token_paths(backbone, latents, backbone.embed(["a cat"]), lost, KeyFrames((0, 2)))
    where = paths.where[32][:, 1].view(2, 4, 8)
    there = torch.arange(32).view(4, 8)[:, 1:-2]
    assert (where[..., 3:] == there).float().mean() > 0.8
    assert torch.allclose(paths.share[32][:, 1], torch.tensor(0.5))


def test_segments_do_not_depend_on_each_other(backbone: Backbone) -> None:
    flow = uniform((8.0, 0.0), 7, SIZE)
    latents, text = noise(0, 7, (4, *CELLS)), backbone.embed(["a cat"])
    whole = token_paths(backbone, latents, text, flow, KeyFrames((0, 3, 6)))
    latents[4:6] = noise(1, 2, (4, *CELLS))
    other = token_paths(backbone, latents, text, flow, KeyFrames((0, 3, 6)))
    for tokens in whole.where:
        assert torch.equal(whole.where[tokens][:, :4], other.where[tokens][:, :4])
