"""Weights of words as AUTOMATIC1111's web UI writes them in a prompt."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedit.config import EditConfig, GenerateConfig
from vedit.config.files import file_layer
from vedit.config.merge import Layer, merge
from vedit.config.prompt_weights import doubts, escaped, read
from vedit.config.sidecar import save
from vedit.errors import ConfigError, VeditHint


@pytest.mark.parametrize(
    ("text", "plain", "weighed"),
    [
        ("a blue star", "a blue star", []),
        ("a (blue) star", "a blue star", [("blue", 1.1)]),
        ("a ((blue)) star", "a blue star", [("blue", 1.21)]),
        ("a (blue:1.6) star over [sand]", "a blue star over sand", [("blue", 1.6), ("sand", 1 / 1.1)]),
        ("a [[blue]] star", "a blue star", [("blue", 1 / 1.21)]),
        ("((blue:1.5) star)", "blue star", [("blue", 1.65), ("star", 1.1)]),
        ("(blue star, sand:0.5)", "blue star, sand", [("blue star, sand", 0.5)]),
        (r"a \(blue\) star \\", "a (blue) star \\", []),
        ("a star (over sand", "a star over sand", [("over sand", 1.1)]),
        ("a star) over ] sand", "a star) over ] sand", []),
        ("at 5:30 (night: 1.2 )", "at 5:30 night", [("night", 1.2)]),
        ("(, :1.2)", ", ", []),
        ("", "", []),
    ],
)
def test_brackets_weigh_what_they_hold(text: str, plain: str, weighed: list[tuple[str, float]]) -> None:
    said, found = read(text)
    assert said == plain
    assert [words for words, _ in found] == [words for words, _ in weighed]
    assert [weight for _, weight in found] == pytest.approx([weight for _, weight in weighed], abs=1e-5)


@pytest.mark.parametrize(
    ("text", "said"), [("a <lora:fox:1>", "--lora fox:0.8"), ("[a:b:0.5]", "--prompt-at"), ("[a|b]", "--prompt-at")]
)
def test_what_is_a_setting_here_is_told(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "a (blue:1.4 star",
            ["the bracket of '(blue:1.4 star' is not closed, so all that stands behind it counts 1.1"],
        ),
        ("a [blue star", ["the bracket of '[blue star' is not closed, so all that stands behind it counts 0.91"]),
        ("a (blue:x) star", ["in '(blue:x)' the weight 'x' is no number, so all of it is said as it is"]),
        ("((a:1,4) b", ["the weight '1,4' is no number", "the bracket of '((a:1,4) b' is not closed"]),
        (f"({'a' * 500}", [f"'({'a' * 36}...' is not closed"]),
        (r"a (blue:1.4) \(star [over] (sand) at 5:30", []),
        ("a star) over] sand", []),
        ("(a scene: red star)", []),
    ],
)
def test_what_may_not_be_meant_is_told(text: str, said: list[str]) -> None:
    found = doubts(text)
    assert len(found) == len(said)
    assert all(one in other for one, other in zip(said, found, strict=True))


@given(st.text(st.sampled_from("ab ()[]\\:.,1|<"), max_size=30))
def test_a_prompt_that_was_read_is_kept_as_it_is(text: str) -> None:
    try:
        plain, _ = read(text)
    except ValueError:
        return
    assert read(escaped(plain)) == (plain, [])


def test_the_prompt_is_plain_and_its_weights_are_emphasis() -> None:
    given_so = {"prompt": "a (blue:1.6) star", "emphasis": ["sand=0.5"], "prompt_at": ["2s:(snow) over grass"]}
    config = merge(GenerateConfig, Layer(given_so))
    assert config.prompt == "a blue star"
    assert [(each.word, each.weight) for each in config.emphasis] == [("sand", 0.5), ("blue", 1.6), ("snow", 1.1)]
    assert config.prompt_at[0].prompt == "snow over grass"


def test_weights_elsewhere_are_left_out_and_told() -> None:
    with pytest.warns(VeditHint, match="source_prompt: words are weighed in the prompt alone"):
        config = merge(EditConfig, Layer({"clip": "a.mp4", "prompt": "x", "source_prompt": "a (red:1.2) star"}))
    assert (config.source_prompt, config.emphasis) == ("a red star", ())


def test_a_broken_bracket_is_told_with_its_prompt() -> None:
    with pytest.warns(VeditHint, match=r"^prompt: the bracket of '\(blue:1.4 star' is not closed"):
        config = merge(GenerateConfig, Layer({"prompt": "a (blue:1.4 star"}))
    assert [(each.word, each.weight) for each in config.emphasis] == [("blue:1.4 star", 1.1)]


def test_faults_name_the_prompt() -> None:
    with pytest.raises(ConfigError, match=r"^prompt: names a LoRA"):
        merge(GenerateConfig, Layer({"prompt": "a <lora:fox:1>"}))
    with pytest.raises(ConfigError, match=r"emphasis: weight: .*out of range"):
        merge(GenerateConfig, Layer({"prompt": "a (fox:99)"}))


def test_a_sidecar_gives_the_same_prompts_back(tmp_path: Path) -> None:
    given_so = {"prompt": r"a \(blue\) (star:1.5)", "negative_prompt": r"\[x\]", "prompt_at": [r"2:a \(red\) star"]}
    config = merge(GenerateConfig, Layer(given_so))
    save(config, tmp_path / "a.yaml", {}, overwrite=False)
    assert merge(GenerateConfig, file_layer(tmp_path / "a.yaml", GenerateConfig)) == config
    assert (config.prompt, config.negative_prompt, config.prompt_at[0].prompt) == (
        "a (blue) star",
        "[x]",
        "a (red) star",
    )
