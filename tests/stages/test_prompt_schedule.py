"""What becomes of a prompt in time."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
import torch

from tests.stages.guiding import guider_of
from vedit.backbone import Backbone
from vedit.backbone.prompts import tokens_of
from vedit.config import GenerateConfig
from vedit.config.merge import Layer, merge
from vedit.stages import prompt_schedule, soundtrack
from vedit.timeline import Moments


def asked(prompt: str = "a cat", **settings: object) -> GenerateConfig:
    return merge(GenerateConfig, Layer({"prompt": prompt, **settings}))


def test_the_prompt_goes_on_by_time_or_by_what_is_heard(backbone: Backbone, song: Path) -> None:
    one, other = backbone.embed(["a cat"])[0], backbone.embed(["a red dog"])[0]

    def shares(**settings: object) -> list[float]:
        config = asked(prompt_at=["8:a red dog"], **settings)
        followed = soundtrack.prepare(config, 12, 8)
        states = guider_of(config, backbone, followed).prompts.states[1]
        return [float(((each - one) * (other - one)).sum() / (other - one).square().sum()) for each in states]

    assert shares() == pytest.approx([min(1, frame / 8) for frame in range(12)], abs=1e-4)
    heard = shares(audio=str(song), prompt_blend="onset", audio_release=0.0)
    assert heard == pytest.approx([0, 0.5, 0.5, 0.5, 0.5, 1, 1, 1, 1, 1, 1, 1], abs=1e-4)


def test_a_word_counts_more_or_less(backbone: Backbone) -> None:
    """With 0 the tokens after a word say what they say without it; with 1 nothing is changed."""
    where = tokens_of(backbone.tokenizer, "a red cat", "red")
    whole = backbone.embed(["a red cat"])
    without = backbone.embed(["a red cat"], [where])
    assert torch.equal(whole[:, : where[0]], without[:, : where[0]])
    assert not torch.equal(whole[:, where[-1] + 1 :], without[:, where[-1] + 1 :])
    config = asked("a red cat", emphasis=["red=0:0, 2:2"], guidance=1)
    guider = guider_of(config, backbone, soundtrack.prepare(config, 4, 8))
    text, weights = guider.prompts.states[0], guider.prompts.weights
    assert weights is not None
    assert weights[0, :, where[0]].tolist() == [0, 1, 2, 2]
    after = where[-1] + 1
    assert weights[0, :, after:].eq(1).all()
    torch.testing.assert_close(text[0, after:], without[0, after:])
    torch.testing.assert_close(text[1], whole[0])
    torch.testing.assert_close(text[2, after:], 2 * whole[0, after:] - without[0, after:])
    torch.testing.assert_close(text[:, where], whole[:, where].expand(4, -1, -1))


def test_a_word_counts_in_the_prompts_that_say_it(backbone: Backbone) -> None:
    config = asked("a cat", prompt_at=["2:a red cat"], emphasis=["red=3"])
    prompt = prompt_schedule.per_frame(config, backbone, soundtrack.prepare(config, 4, 8).moments, lambda frames: None)
    text, weights = prompt.states, prompt.weights
    place = tokens_of(backbone.tokenizer, "a red cat", "red")[0]
    assert weights is not None
    assert weights[0, :, place].tolist() == [1, 2, 3, 3]
    torch.testing.assert_close(text[0, 0], backbone.embed(["a cat"])[0])


def test_brackets_do_what_emphasis_does(backbone: Backbone) -> None:
    moments = Moments(2, Fraction(8))
    one, other = asked("a (red:1.5) cat"), asked("a red cat", emphasis=["red=1.5"])
    states = [prompt_schedule.emphasised_prompts(config, backbone, moments) for config in (one, other)]
    assert all(torch.equal(a, b) for made, told in zip(*states, strict=True) for a, b in zip(made, told, strict=True))
