"""What other tools call things leads to what it is called here."""

from __future__ import annotations

import pytest

from vedit import registry
from vedit.config import CompareConfig, EditConfig, GenerateConfig, InspectConfig
from vedit.synonyms import CONTROLS, NAMES, nearest, nearest_flag

SETTINGS = {
    *EditConfig.model_fields,
    *GenerateConfig.model_fields,
    *InspectConfig.model_fields,
    *CompareConfig.model_fields,
}
KINDS = {kind for family in registry.TABLES for kind in registry.names(family)}


def test_each_name_leads_to_one_that_there_is_and_is_none_itself() -> None:
    assert set(NAMES.values()) <= SETTINGS | KINDS
    assert not set(NAMES) & (SETTINGS | KINDS)
    assert set(CONTROLS) == set(registry.TABLES["annotators"])


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("--rate", "--fps"),
        ("--hear", "--audio-scale"),
        ("--then", "--prompt-at"),
        ("--cfg-scale", "--guidance"),
        ("--guidance-scale", "--guidance"),
        ("--num-inference-steps", "--steps"),
        ("--negative", "--negative-prompt"),
        ("--saturation", "--apg-eta"),
        ("--gate", "--check-inversion"),
        ("--no-gate", "--no-check-inversion"),
    ],
)
def test_a_flag_of_other_tools_leads_to_ours(theirs: str, ours: str) -> None:
    flags = [f"--{name.replace('_', '-')}" for name in SETTINGS]
    assert nearest_flag(theirs, flags, ["clip"]) == f"here it is {ours}"


def test_a_name_that_may_mean_several_leads_to_those_that_a_command_has() -> None:
    assert nearest_flag("--motion", ["--motion-strokes", "--steps"]) == "here it is --motion-strokes"
    both = ["--motion-adapter", "--motion-scale", "--motion-strokes"]
    assert nearest_flag("--motion", both) == "here it is --motion-strokes or --motion-adapter"
    assert nearest_flag("--trajectory", both) == "here it is --motion-strokes"
    assert nearest_flag("--trajectory", ["--steps"]) == ""


def test_what_is_no_name_of_anyone_leads_to_the_most_alike() -> None:
    assert nearest_flag("--stepz", ["--steps", "--seed"]) == "did you mean --steps?"
    assert nearest_flag("--qqqqqq", ["--steps"]) == ""
    assert nearest("edeg", ["edge", "pose"]) == "did you mean 'edge'?"
    assert nearest("qqqqqq", ["edge", "pose"]) == "expected one of edge, pose"
