"""What attention says of key frames, carried to the frames between them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from vedit.adapters.loading import load_backbone
from vedit.attention.carried import CarriedTokens, TokenPaths
from vedit.backbone import Backbone
from vedit.errors import ConfigError
from vedit.key_frames import KeyFrames
from vedit.prompt import Prompt
from vedit.request import Request
from vedit.sampling.denoising import noise
from vedit.sampling.prediction import Carried, Predictor
from vedit.shots import Shots

FRAMES, CELLS = 7, (8, 8)


@pytest.fixture
def backbone(toy_model: Path) -> Backbone:
    return load_backbone(toy_model, device="cpu")


def standing(share: float = 0.5, frames: int = FRAMES) -> TokenPaths:
    """Tokens that stay where they are, made so far of the key frame before."""
    where, counts = {}, {}
    for tokens in (64, 16, 4, 1):
        where[tokens] = torch.arange(tokens).expand(2, frames, tokens)
        counts[tokens] = torch.tensor([share, 1 - share])[:, None, None].expand(2, frames, tokens)
    return TokenPaths(where, counts)


@torch.no_grad()
def predicted(backbone: Backbone, x: Tensor, keys: KeyFrames, paths: TokenPaths, source: bool = False) -> Tensor:
    text = backbone.embed(["", "a cat"])
    lent = Request(noise(9, len(x), (4, *CELLS)), 300, Prompt(text[:1])) if source else None
    with backbone.attending("full"):
        return Predictor(backbone, carried=Carried(keys, paths))(Request(x, 300, Prompt(text)), lent)


def test_tokens_are_taken_from_both_key_frames() -> None:
    where, share = torch.tensor([[[0, 1]] * 3, [[1, 0]] * 3]), torch.tensor([[[0.25, 1.0]] * 3, [[0.75, 0.0]] * 3])
    tokens = CarriedTokens([0, 2], TokenPaths({2: where}, {2: share}))
    tokens.begin_window(0)
    made = torch.randn(2, 2, 2, 5, generator=torch.Generator().manual_seed(0))
    tokens.keep_made("a layer", made)
    tokens.begin_window(1)
    assert not tokens.filling
    found = tokens.carried("a layer", range(1, 2), 2)
    assert found.shape == (2, 1, 2, 5)
    torch.testing.assert_close(found[:, 0, 0], 0.25 * made[:, 0, 0] + 0.75 * made[:, 1, 1])
    torch.testing.assert_close(found[:, 0, 1], made[:, 0, 1])
    with pytest.raises(ConfigError, match="no paths of 9 tokens"):
        tokens.carried("a layer", range(1, 2), 9)


def test_a_frame_like_its_key_frame_is_what_that_is(backbone: Backbone) -> None:
    """A key frame's own tokens, wholly, make the key frame again."""
    x = noise(0, FRAMES, (4, *CELLS))
    x[1], x[5] = x[0], x[3]
    made = predicted(backbone, x, KeyFrames((0, 3, 6)), standing(share=1.0))
    torch.testing.assert_close(made[:, 1], made[:, 0], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(made[:, 5], made[:, 3], atol=1e-5, rtol=1e-4)


def test_what_the_source_lends_is_carried_in_its_own_branch(backbone: Backbone) -> None:
    x, keys = noise(0, FRAMES, (4, *CELLS)), KeyFrames((0, 3, 6))
    lent, alone = (predicted(backbone, x, keys, standing(), source) for source in (True, False))
    assert lent.shape == alone.shape
    assert (lent - alone).abs().amax((0, 2, 3, 4)).min() > 1e-4, "in all frames"


def test_key_frames_see_each_other_and_nothing_else(backbone: Backbone) -> None:
    x, keys = noise(0, FRAMES, (4, *CELLS)), KeyFrames((0, 3, 6))
    made = predicted(backbone, x, keys, standing())
    with backbone.attending("full"):
        alone = Predictor(backbone)(Request(x[list(keys.at)], 300, Prompt(backbone.embed(["", "a cat"]))))
    assert torch.equal(made[:, list(keys.at)], alone)


def test_segments_and_shots_do_not_depend_on_each_other(backbone: Backbone) -> None:
    x = noise(0, FRAMES, (4, *CELLS))
    other = x.clone()
    other[4:6] = noise(1, 2, (4, *CELLS))
    made, changed = (predicted(backbone, each, KeyFrames((0, 3, 6)), standing()) for each in (x, other))
    assert torch.equal(made[:, [0, 1, 2, 3, 6]], changed[:, [0, 1, 2, 3, 6]])
    assert not torch.equal(made[:, 4], changed[:, 4])
    cut = KeyFrames((0, 3, 4, 6), Shots((0, 4)))
    other[6] = noise(2, 1, (4, *CELLS))[0]
    made, changed = (predicted(backbone, each, cut, standing()) for each in (x, other))
    assert torch.equal(made[:, :4], changed[:, :4])
