"""Where the model looks for a word."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

import world
from vedit import mapped
from vedit.adapters.loading import load_backbone
from vedit.backbone import Backbone
from vedit.backbone.prompts import tokens_of
from vedit.errors import ConfigError
from vedit.masks import word_mask
from vedit.sampling.denoising import noise


@pytest.fixture(scope="module")
def mini() -> Backbone:
    return load_backbone("mini", device="cpu")


@pytest.mark.parametrize("word", ["star", "yellow star", "YELLOW"])
def test_the_word_is_found_where_the_thing_is(word: str, mini: Backbone) -> None:
    thing = world.Object("star", "yellow", "right", start=(50.0, 60.0), speed=3.0, radius=24.0)
    scene = world.Scene((thing,), "grass", texture=1000)
    rendered = world.render(scene, 2)
    latents = mini.encode(torch.from_numpy(rendered.frames))
    tokens = tokens_of(mini.tokenizer, scene.caption, word)
    mask = word_mask(mini, latents, mini.embed([scene.caption]), tokens)
    assert mask.shape == (2, 1, 16, 16)
    found, truth = mask == 1, F.avg_pool2d(torch.from_numpy(rendered.masks[:, :1]), 8) > 0.5
    assert (found & truth).sum() / (found | truth).sum() > 0.5
    assert torch.equal(mask, word_mask(mini, latents, mini.embed([scene.caption]), tokens))


def test_it_works_on_latents_of_any_shape(sd1: Path) -> None:
    backbone = load_backbone(sd1, device="cpu")
    mask = word_mask(backbone, noise(0, 2, (4, 10, 14)), backbone.embed(["a dog"]), [2])
    assert mask.shape == (2, 1, 10, 14)
    assert mask.max() == 1


def test_a_long_clip_is_looked_at_in_stretches(sd1: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backbone, latents = load_backbone(sd1, device="cpu"), noise(0, 11, (4, 8, 8))
    told: list[tuple[str, int, int]] = []
    whole = word_mask(backbone, latents, backbone.embed(["a dog"]), [2], progress=lambda *at: told.append(at))
    assert [at[1:] for at in told] == [(done, 8) for done in range(1, 9)]
    monkeypatch.setattr(mapped, "LARGE", 0)
    for chunk in (4, 8):
        monkeypatch.setattr(mapped, "CHUNK", chunk)
        assert torch.equal(word_mask(backbone, latents, backbone.embed(["a dog"]), [2]), whole)


def test_attention_is_kept_only_while_it_is_watched(mini: Backbone) -> None:
    x, text = noise(0, 2, (4, 16, 16))[None], mini.embed(["a dog"])
    before = mini.predict(x, 500, text)
    with mini.recording_attention(256) as record:
        during = mini.predict(x, 500, text)
    seen = len(record.cross_attention)
    after = mini.predict(x, 500, text)
    assert seen == len(record.cross_attention) == len(record.self_attention) > 0
    assert torch.equal(before, during)
    assert torch.equal(before, after)
    assert {tuple(each.shape) for each in record.cross_attention} == {(2, 256, text.shape[1])}
    assert all(
        torch.allclose(each.sum(-1), torch.ones(2, 256), atol=1e-5)
        for each in (*record.cross_attention, *record.self_attention)
    )


def test_words_are_found_among_the_tokens_of_every_chunk(mini: Backbone) -> None:
    length = mini.tokenizer.model_max_length
    assert tokens_of(mini.tokenizer, "a Red star", "red star") == [2, 3]
    assert tokens_of(mini.tokenizer, "a star and a star", "star") == [2, 5]
    long = "a " * (length - 2) + "star"
    assert tokens_of(mini.tokenizer, long, "star") == [length + 1]
    pieces = len(mini.tokenizer.tokenize("skateboarder"))
    assert pieces > 1
    assert tokens_of(mini.tokenizer, "a skateboarder", "skateboarder") == list(range(2, 2 + pieces))


@pytest.mark.parametrize("word", ["moon", "tar", "er", "star red", " "])
def test_a_word_that_is_not_said_is_told_with_those_that_are(word: str, mini: Backbone) -> None:
    with pytest.raises(ConfigError, match="its words are: a, red, star, skateboarder"):
        tokens_of(mini.tokenizer, "a red star skateboarder", word)
