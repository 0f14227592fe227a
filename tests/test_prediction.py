"""All branches as one batch, and one after the other where memory does not suffice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from vedit.adapters.loading import load_backbone
from vedit.backbone import Backbone
from vedit.condition import Condition, enter
from vedit.entrances.channels import InputChannels
from vedit.entrances.image_tokens import ImageTokens
from vedit.entrances.residuals import AddResiduals, Residuals
from vedit.entrances.tokens import Tokens
from vedit.prediction import Predictor, predict
from vedit.prompt import Prompt
from vedit.request import Request, Timestep
from vedit.sampling import noise


@pytest.fixture
def backbone(sd1: Path) -> Backbone:
    return load_backbone(sd1, device="cpu")


def residuals(backbone: Backbone) -> AddResiduals:
    """That raise the features of the middle block."""
    config = backbone.unet.config
    levels = len(config.block_out_channels)
    skips = 1 + levels * config.layers_per_block + levels - 1

    def control(x: Tensor, t: Timestep, text: Tensor) -> Residuals:
        mid = torch.ones(len(text) * len(x), config.block_out_channels[-1], 1, 1)
        return Residuals((mid.new_zeros(len(mid), 1, 1, 1),) * skips, mid)

    return AddResiduals(control)


def everything(backbone: Backbone) -> list[Condition]:
    width = backbone.unet.config.cross_attention_dim
    words = backbone.embed(["a cat", "a dog"])
    strength = torch.tensor([0.5, 1.0])
    return [
        Condition(Tokens(words, strength), strength),
        Condition(residuals(backbone), strength),
        Condition(ImageTokens(noise(3, 2, (3, width))), strength),
    ]


class Narrow:
    """Lets a network run on a few rows only, as a GPU with little memory does."""

    def __init__(self, backbone: Backbone, rows: int) -> None:
        self.batches: list[int] = []
        self.rows = rows
        backbone.unet.register_forward_pre_hook(self._check)

    def _check(self, _: Any, given: tuple[Tensor, ...]) -> None:
        self.batches.append(len(given[0]))
        if len(given[0]) > self.rows:
            raise torch.OutOfMemoryError


@torch.no_grad()
@pytest.mark.parametrize("injected", [False, True])
def test_branches_one_by_one_are_what_they_are_together(backbone: Backbone, injected: bool) -> None:
    x, text = noise(0, 2, (4, 8, 8)), backbone.embed(["", "a cat"])
    weights = torch.ones(2, 2, text.shape[1])
    weights[1, :, 2] = 2.0
    request = enter(everything(backbone), Request(x, 300, Prompt(text, weights)), (0.0, 0.1))
    source = Request(noise(1, 2, (4, 8, 8)), 300, Prompt(text[:1])) if injected else None
    together = Predictor(backbone)(request, source)
    assert together.shape == (3, 2, 4, 8, 8)
    narrow, one_by_one = Narrow(backbone, rows=4 if injected else 2), Predictor(backbone)
    torch.testing.assert_close(one_by_one(request, source), together, atol=1e-5, rtol=1e-4)
    seen = len(narrow.batches)
    one_by_one(request, source)
    assert len(narrow.batches) == seen + 3, "what was once too large is not tried again"


@torch.no_grad()
def test_a_request_that_nothing_has_entered_is_the_network_as_it_is(backbone: Backbone) -> None:
    x, text = noise(0, 2, (4, 8, 8)), backbone.embed(["", "a cat"])
    request = Request(x, 300, Prompt(text))
    assert enter(
        [Condition(each.entrance, each.envelope, 0.5) for each in everything(backbone)], request, (0, 0.1)
    ) is (request)
    assert torch.equal(Predictor(backbone)(request), backbone.predict(x.expand(2, *x.shape), 300, text))


@torch.no_grad()
def test_residuals_of_the_source_are_its_own_or_none(backbone: Backbone) -> None:
    x, text = noise(0, 2, (4, 8, 8)), backbone.embed(["a cat"])
    plain = Request(x, 300, Prompt(text))
    raised = residuals(backbone).enter(plain, torch.ones(2))
    own, lent = (predict(backbone, raised, source) for source in (raised, plain))
    torch.testing.assert_close(own, predict(backbone, raised), atol=1e-5, rtol=1e-4)  # lends to its equal
    assert (lent - own).abs().max() > 1e-4


def test_channels_of_the_source_are_zeros_where_none_hold_for_it() -> None:
    x = noise(0, 2, (4, 8, 8))
    given = InputChannels(noise(1, 2, (4, 8, 8))).enter(Request(x, 300, Prompt(torch.zeros(1, 5, 8))), torch.ones(2))
    assert given.channels is not None
    assert given.split()[0].channels is given.channels, "all branches see the same"
