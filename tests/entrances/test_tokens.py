"""Tokens beside the prompt: how they join it, and how they lead."""

from __future__ import annotations

from pathlib import Path

import torch

from vedit.adapters.loading import load_backbone
from vedit.condition import Condition
from vedit.entrances.tokens import MOMENTUM_KEPT, Tokens, join_tokens
from vedit.prompt import Prompt
from vedit.request import Request
from vedit.sampling.denoising import denoise, noise
from vedit.sampling.guiders import ClassifierFree


def test_semantic_guidance_leads_where_it_says_most_and_remembers() -> None:
    direction = noise(3, 2, (4, 8, 8))
    text, envelope = torch.zeros(2, 5, 8), torch.tensor([2.0, 0.0])
    share = torch.ones(2)
    whole = Tokens(text, share).begin().lead(direction, [3.0, 1.0], slice(0, 2), strength=envelope)
    torch.testing.assert_close(whole, 3 * direction * envelope.view(-1, 1, 1, 1))
    some = Tokens(text, share, quantile=0.75, momentum=0.5).begin()
    first = some.lead(direction, 1.0, slice(0, 2), strength=envelope)
    heeded = first[0] != 0
    assert heeded.flatten(1).sum(1).tolist() == [16] * 4  # a quarter of each channel
    assert direction[0].abs()[heeded].min() > 0
    for channel, chosen in zip(direction[0].abs(), heeded, strict=True):
        assert channel[chosen].min() > channel[~chosen].max()
    second = some.lead(direction, 1.0, slice(0, 2), strength=envelope)
    torch.testing.assert_close(second, first + 0.5 * (1 - MOMENTUM_KEPT) * first)


def test_what_is_said_beside_joins_the_prompt_as_far_as_asked() -> None:
    text, said = noise(4, 2, (6, 8)), noise(5, 3, (4, 8))  # two branches of 6 tokens, three frames of 4
    emphasis = torch.rand(2, 3, 6)
    joined = join_tokens(Prompt(text, emphasis), Tokens(said, torch.tensor([0.0, 0.5, 1.0])))
    wide, weights = joined.states, joined.weights
    assert wide.shape == (2, 3, 24, 8)
    assert weights is not None
    prompt, other = text[1].repeat(2, 1), said.repeat(1, 3, 1)
    torch.testing.assert_close(wide[0], text[0].repeat(4, 1).expand(3, -1, -1))
    assert torch.equal(wide[1, :, :12], prompt.expand(3, -1, -1))
    torch.testing.assert_close(wide[1, :, 12:], torch.stack([prompt, (prompt + other[1]) / 2, other[2]]))
    assert torch.equal(weights[:, 0], emphasis[:, 0].repeat(1, 4))
    torch.testing.assert_close(weights[1, 2], torch.cat([emphasis[1, 2].repeat(2), torch.ones(12)]))
    assert join_tokens(Prompt(text[1:]), Tokens(said, torch.zeros(3))).states.shape == (1, 3, 24, 8)


def test_they_enter_as_a_branch_beside_and_leave_the_request_as_it_was() -> None:
    text, said = noise(4, 2, (6, 8)), noise(5, 3, (4, 8))
    before = Request(noise(6, 3, (4, 8, 8)), 300, Prompt(text))
    after = Tokens(said, torch.ones(3)).enter(before, torch.ones(3))
    assert (before.prompt.states is text, before.beside) == (True, ())
    assert after.prompt.states.shape == (2, 3, 24, 8)
    whole = after.with_all_branches()
    assert whole.prompt.states.shape == (3, 3, 24, 8)
    assert torch.equal(whole.prompt.states[:2], after.prompt.states)
    assert torch.equal(whole.prompt.states[2], said.repeat(1, 6, 1))
    outputs = noise(7, 3, (3, 4, 8, 8))
    torch.testing.assert_close(after.lead(outputs, 2.0, slice(0, 3)), 2 * (outputs[2] - outputs[0]))


def test_one_condition_serves_many_denoisings(sd1: Path) -> None:
    """What it remembers of one, momentum, is not carried into the next."""
    backbone = load_backbone(sd1, device="cpu")
    words, none = backbone.embed(["a cat", "a dog"]), backbone.embed([""])
    said = Condition(Tokens(words, torch.ones(2), momentum=0.5), torch.ones(2))
    guider = ClassifierFree(Prompt(none), Prompt(none), 5.0)
    one, other = (
        denoise(backbone, noise(0, 2, (4, 8, 8)), backbone.schedule(3), guider, conditions=[said]) for _ in range(2)
    )
    assert torch.equal(one, other)
