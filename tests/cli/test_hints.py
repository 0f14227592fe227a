"""What is given and changes nothing is said, once, and only where work begins."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Ran
from vedit.cli import hints
from vedit.config import AnimateConfig, EditConfig, GenerateConfig, InvertConfig, Settings, TuneConfig

Command = Callable[..., Ran]
SOURCE = {"source_prompt": "a red star"}


def hinted(kind: type[Settings], **settings: Any) -> list[str]:
    given = {"prompt": "a blue star", **settings}
    if kind is not GenerateConfig:
        given["picture" if kind is AnimateConfig else "clip"] = "a.mp4"
    if kind is InvertConfig:
        del given["prompt"]
    return hints.hints_for(kind.model_validate(given))


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        (EditConfig, {}, "without --source-prompt the whole frame is open to change"),
        (EditConfig, {"source_prompt": "a  blue star"}, "nothing is asked to change"),
        (EditConfig, {"mask": "none", "seed": 7}, "--seed changes nothing"),
        (EditConfig, SOURCE | {"learning_rate": 1e-4}, "--learning-rate changes nothing"),
        (
            EditConfig,
            SOURCE | {"learning_rate": 1e-4, "recipe": "original"},
            "--learning-rate, --recipe change nothing",
        ),
        (
            EditConfig,
            SOURCE | {"early_stop": True, "tuned_blocks": "up"},
            "--early-stop, --tuned-blocks change nothing",
        ),
        (EditConfig, {"mask_samples": 4}, "--mask-samples changes nothing"),
        (EditConfig, SOURCE | {"guidance": 1, "guidance_interval": "0-0.5"}, "--guidance-interval changes nothing"),
        (EditConfig, SOURCE | {"control_inversion": True, "control": "none"}, "there is no --control"),
        (
            EditConfig,
            SOURCE | {"control_inversion": True, "control": "edge", "prior": "shared"},
            "--control-inversion changes nothing: nothing is inverted",
        ),
        (
            EditConfig,
            SOURCE | {"prior": "gaussian", "inversion_corrections": 2, "check_inversion": False},
            "--inversion-corrections, --no-check-inversion change nothing",
        ),
        (EditConfig, SOURCE | {"mask": "none", "paste": False}, "--no-paste changes nothing"),
        (EditConfig, SOURCE | {"guidance": 1, "negative_prompt": "mud"}, "--negative-prompt changes nothing"),
        (EditConfig, SOURCE | {"emphasis": ["blue=1"]}, "--emphasis changes nothing"),
        (GenerateConfig, {"guidance": 1, "apg_eta": 1}, "--apg-eta changes nothing"),
        (GenerateConfig, {"output": "a.gif", "crf": 30}, "--crf changes nothing"),
        (GenerateConfig, {"prompt": " "}, "no prompt, picture or sound says what is seen"),
        (InvertConfig, {"crf": 30}, "only with --output"),
        (AnimateConfig, {"motion_mask": "box:0,0,9,9"}, "--motion-mask changes nothing"),
        (AnimateConfig, {"prompt": ""}, "neither a prompt nor --motion-strokes nor --motion-of"),
        (TuneConfig, {"pictures": "p", "mix": 1.0}, "--pictures changes nothing"),
    ],
)
def test_what_changes_nothing_is_said(kind: type[Settings], settings: dict[str, Any], said: str) -> None:
    assert [line for line in hinted(kind, **settings) if said in line]


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (EditConfig, SOURCE),
        (EditConfig, SOURCE | {"seed": 7}),
        (EditConfig, SOURCE | {"control_inversion": True}),
        (EditConfig, {"mask": "none", "source_prompt": "", "seed": 7, "prior": "shared"}),
        (EditConfig, SOURCE | {"mask": "none", "seed": 7, "tune": 3, "learning_rate": 1e-4, "recipe": "original"}),
        (EditConfig, {"adapter": "a.safetensors", "paste": False}),
        (
            EditConfig,
            SOURCE
            | {"control": "edge", "control_inversion": True, "inversion_corrections": 0, "check_inversion": False},
        ),
        (EditConfig, SOURCE | {"negative_prompt": "mud", "emphasis": ["blue=2"], "output": "a.mp4", "crf": 30}),
        (EditConfig, SOURCE | {"fast": True}),
        (EditConfig, SOURCE | {"preview": True, "prior": "shared"}),
        (GenerateConfig, {"seed": 7}),
        (GenerateConfig, {"prompt": "", "image": "look.png"}),
        (InvertConfig, {"output": "a.mp4", "crf": 30}),
        (TuneConfig, {"learning_rate": 1e-4, "recipe": "original", "seed": 7}),
        (TuneConfig, {"pictures": "p"}),
        (AnimateConfig, {}),
        (AnimateConfig, {"prompt": "", "motion_of": "b.mp4", "motion_mask": "box:0,0,9,9"}),
    ],
)
def test_what_has_its_effect_says_nothing(kind: type[Settings], settings: dict[str, Any]) -> None:
    assert hinted(kind, **settings) == []


def test_rules_name_settings_that_there_are() -> None:
    for rule in hints.RULES:
        kinds = rule.kinds if isinstance(rule.kinds, tuple) else (rule.kinds,)
        assert all(set(rule.names) & kind.model_fields.keys() for kind in kinds if rule.names)


def test_a_hint_is_a_line_told_when_the_work_begins(
    vedit: Command, tmp_path: Path, toy_clip: Path, toy_model: Path
) -> None:
    flags = ("--model", toy_model, "--steps", 1, "--frames", 2, "-o", tmp_path / "a.mp4", "--device", "cpu")
    ran = vedit("edit", toy_clip, "a cat", *flags, "--json")
    assert ran.err.count("hint: without --source-prompt") == 1
    assert any("without --source-prompt" in line for line in json.loads(ran.out)["warnings"])
    assert "hint: " not in vedit("edit", toy_clip, "a cat", *flags, "--overwrite", "-q").err
    assert "hint: " not in vedit("edit", "none.mp4", "a cat", *flags).complaint


@pytest.mark.parametrize("dry", [["--dry-run"], ["--frames", "1", "--steps", "1", "--width", "16", "--height", "16"]])
def test_words_that_the_model_has_not_seen_are_named(vedit: Command, tmp_path: Path, dry: list[str]) -> None:
    ran = vedit("generate", "a zebra over sand", "--model", "mini", "-o", tmp_path / "a.mp4", *dry)
    assert ran.status == 0, ran.err
    assert ran.err.count("hint: not in this model's vocabulary of 651: 'zebra'; ") == 1


def test_the_nearest_words_that_the_model_knows_are_told(vedit: Command, tmp_path: Path) -> None:
    ran = vedit("generate", "a blue stra over gras", "--model", "mini", "-o", tmp_path / "a.mp4", "--dry-run")
    assert ran.err.count("'stra', 'gras' (did you mean star, grass?); such words are spelt") == 1
