"""Controls that an edit gets without asking: those that the model brings, where shapes stay as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from vedit import edit, load_backbone
from vedit.backbone import Backbone
from vedit.config import EditConfig
from vedit.jobs.controls import default_controls, single_changes

STAR = Path(__file__).parents[2] / "examples" / "star.mp4"
SHOWN = "a red star moving left over grass"


@pytest.fixture(scope="module")
def mini() -> Backbone:
    return load_backbone("mini", device="cpu")


@pytest.mark.parametrize(
    ("target", "alone"),
    [
        ("a red star moving left over grass", []),
        ("a blue star moving left over grass", []),
        (
            "a blue circle moving left over grass",
            ["a blue star moving left over grass", "a red circle moving left over grass"],
        ),
        (
            "a blue star moving left over grass in snow",
            ["a blue star moving left over grass", "a red star moving left over grass in snow"],
        ),
        ("one two three four five six seven", []),
    ],
)
def test_changes_are_told_apart(target: str, alone: list[str]) -> None:
    assert single_changes(SHOWN, target) == alone


@pytest.mark.parametrize(
    ("prompt", "settings", "kinds"),
    [
        ("a blue star moving left over sand", {}, ["edge", "flow"]),
        ("a red circle moving left over grass", {}, []),
        ("a blue circle moving left over grass", {}, []),
        ("a blue star moving left over grass", {"control": "none"}, []),
        ("a blue star moving left over grass", {"control": "flow"}, ["flow"]),
        ("a blue star moving left over grass", {"prior": "gaussian"}, []),
        ("a blue star moving left over grass", {"source_prompt": ""}, []),
    ],
    ids=["repainted", "another shape", "both", "none", "another control", "fresh noise", "no words to compare"],
)
def test_a_models_own_controls_hold_shapes_that_stay(
    prompt: str, settings: dict[str, str], kinds: list[str], mini: Backbone
) -> None:
    given = {"source_prompt": SHOWN, "steps": 2, "frames": 2, "check_inversion": False, "cache": False, **settings}
    config = edit(mini, STAR, prompt, **given).config
    assert config.control is not None
    assert [each.kind for each in config.control] == kinds


def test_a_picture_without_words_leaves_no_prompts_to_compare(mini: Backbone) -> None:
    notes, common = mini.notes, {"clip": STAR, "source_prompt": SHOWN, "image": "look.png"}
    assert default_controls(EditConfig(prompt="a blue star", **common), notes) == notes.edit_controls
    assert default_controls(EditConfig(prompt="", **common), notes) == ()
