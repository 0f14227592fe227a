"""Tokens of a picture beside the text: who sees them, and how much."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from vedit.adapters.loading import load_backbone
from vedit.attention.context import KeysAndValues, own_keys_and_values
from vedit.backbone import Backbone
from vedit.condition import Condition
from vedit.entrances.image_tokens import ImageTokens
from vedit.priors.inversion import invert
from vedit.prompt import Prompt
from vedit.request import BranchBeside, Request
from vedit.sampling.denoising import InjectionSource, denoise, noise
from vedit.sampling.guiders import ClassifierFree, Unguided
from vedit.sampling.prediction import predict


@pytest.fixture(scope="module")
def backbone(sd1: Path) -> Backbone:
    return load_backbone(sd1, device="cpu")


@torch.no_grad()
def outputs(backbone: Backbone, strength: list[float], tokens: Tensor, **more: Any) -> Tensor:
    """Of the negative and the prompt's branch (2, F, 4, 8, 8)."""
    request = Request(noise(0, len(strength), (4, 8, 8)), 300, Prompt(backbone.embed(["", "a cat"])))
    return predict(backbone, ImageTokens(tokens, **more).enter(request, torch.tensor(strength)))


def test_they_act_where_they_are_strong_and_not_on_what_is_guided_away_from(backbone: Backbone) -> None:
    tokens = torch.randn(2, 3, backbone.unet.config.cross_attention_dim, generator=torch.Generator().manual_seed(1))
    without, seen = outputs(backbone, [0.0, 0.0], tokens), outputs(backbone, [0.0, 1.0], tokens)
    assert torch.equal(without, backbone.predict(*_plain(backbone)))
    torch.testing.assert_close(seen[0], without[0])
    torch.testing.assert_close(seen[1, 0], without[1, 0])
    assert (seen[1, 1] - without[1, 1]).abs().max() > 1e-3
    both = outputs(backbone, [0.0, 1.0], tokens, negative=tokens)
    assert (both[0, 1] - without[0, 1]).abs().max() > 1e-3
    torch.testing.assert_close(both[1], seen[1])


def _plain(backbone: Backbone) -> tuple[Tensor, int, Tensor]:
    return noise(0, 2, (4, 8, 8)).expand(2, -1, -1, -1, -1), 300, backbone.embed(["", "a cat"])


def test_the_prompts_own_tokens_apart_double_what_they_say(backbone: Backbone) -> None:
    """Beside the text with strength 1, they are the same attention once more."""
    text = backbone.embed(["a cat"])
    block = next(module for name, module in backbone.unet.named_modules() if name.endswith("attn2"))
    heard: list[Tensor] = []
    hook = block.to_out[0].register_forward_pre_hook(lambda _, given: heard.append(given[0]))
    outputs(backbone, [1.0], text)
    outputs(backbone, [0.0], text)
    hook.remove()
    doubled, plain = heard
    torch.testing.assert_close(doubled[1], 2 * plain[1], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(doubled[0], plain[0])


def test_an_adapter_brings_its_own_projections(backbone: Backbone) -> None:
    def silent(layer: Any, tokens: Tensor) -> tuple[Tensor, Tensor]:
        key, value = own_keys_and_values(layer, tokens)
        return key, torch.zeros_like(value)

    projections: KeysAndValues = silent
    tokens = torch.randn(1, 3, backbone.unet.config.cross_attention_dim)
    assert torch.equal(outputs(backbone, [1.0], tokens, keys_and_values=projections), outputs(backbone, [0.0], tokens))


def test_a_branch_beside_sees_what_the_first_sees(backbone: Backbone) -> None:
    tokens = torch.randn(2, 3, 8)
    request = ImageTokens(tokens).enter(
        Request(noise(0, 2, (4, 8, 8)), 300, Prompt(torch.zeros(2, 5, 8))), torch.ones(2)
    )
    beside = BranchBeside(Prompt(torch.zeros(1, 5, 8)), lambda direction, scale: direction)
    request = Request(request.latents, 300, request.prompt, tokens_apart=request.tokens_apart, beside=(beside,))
    (apart,) = request.with_all_branches().tokens_apart
    assert apart.scale.tolist() == [[0, 0], [1, 1], [0, 0]]
    alone = [each.tokens_apart[0].scale.tolist() for each in request.with_all_branches().split()]
    assert alone == [[[0, 0]], [[1, 1]], [[0, 0]]]


def test_the_source_does_not_see_them(backbone: Backbone) -> None:
    x, text, schedule = noise(0, 2, (4, 8, 8)), backbone.embed(["a cat"]), backbone.schedule(3)
    tokens = torch.randn(2, 3, backbone.unet.config.cross_attention_dim)
    shown = Condition(ImageTokens(tokens), torch.ones(2))
    trace = invert(backbone, x, text, 3)
    assert torch.equal(invert(backbone, x, text, 3, conditions=[shown]), trace)
    source = InjectionSource(text, trace, 3, guided=True)
    none = Condition(ImageTokens(tokens), torch.zeros(2))
    plain, unseen, seen = (
        denoise(backbone, trace[-1], schedule, Unguided(Prompt(text)), conditions=each, source=source)
        for each in ([], [none], [shown])
    )
    torch.testing.assert_close(unseen, plain, atol=1e-5, rtol=1e-4)
    assert (seen - plain).abs().max() > 1e-3


def test_they_lead_a_whole_denoising(backbone: Backbone) -> None:
    x, schedule = noise(0, 2, (4, 8, 8)), backbone.schedule(3)
    guider = ClassifierFree(Prompt(backbone.embed(["a cat"])), Prompt(backbone.embed([""])), 4.0)
    tokens = torch.randn(2, 3, backbone.unet.config.cross_attention_dim)

    def run(strength: float) -> Tensor:
        shown = Condition(ImageTokens(tokens), torch.full((2,), strength))
        return denoise(backbone, x, schedule, guider, conditions=[shown])

    plain = denoise(backbone, x, schedule, guider)
    torch.testing.assert_close(run(0.0), plain, atol=1e-5, rtol=1e-4)
    assert 0 < (run(0.3) - plain).abs().mean() < (run(1.0) - plain).abs().mean()
