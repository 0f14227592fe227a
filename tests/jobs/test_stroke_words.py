"""Strokes whose masks are words: the model says where the picture shows them."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from torch import Tensor

import world
from tests.conftest import Ran
from vedit.adapters.loading import load_backbone
from vedit.backbone import Backbone
from vedit.clip import Clip
from vedit.jobs.animate import animate
from vedit.jobs.edit import edit

Command = Callable[..., Ran]

SCENE = world.Scene(
    (world.Object("star", "yellow", "right", start=(50.0, 60.0), speed=3.0, radius=24.0),), "grass", texture=1000
)


def file(folder: Path, mask: str) -> Path:
    path = folder / "words.yaml"
    path.write_text(
        "version: 1\nsize: [128, 128]\nstrokes: [{name: it, points: [[50, 60], [50, 80]], mask: '" + mask + "'}]\n"
    )
    return path


def overlap(one: Tensor, other: Tensor) -> float:
    """The intersection of two masks, as a share of their union."""
    return float((one & other).sum() / (one | other).sum())


@pytest.fixture(scope="module")
def mini() -> Backbone:
    return load_backbone("mini", device="cpu")


@pytest.fixture(scope="module")
def rendered() -> world.Rendered:
    return world.render(SCENE, 3)


def test_a_stroke_moves_what_its_word_says(mini: Backbone, rendered: world.Rendered, tmp_path: Path) -> None:
    picture = Clip(torch.from_numpy(rendered.frames[:1]), Fraction(8))
    settings = {"prompt": SCENE.caption, "frames": 2, "steps": 1, "motion_field": "rigid"}
    result = animate(mini, picture, motion_strokes=file(tmp_path, "word:yellow star"), **settings)
    assert overlap(result.motion.held > 0.5, torch.from_numpy(rendered.masks[0, 0]) > 0.5) > 0.6
    moved = result.motion.forward[1, 1]
    assert float(moved[60, 50]) == pytest.approx(20, abs=0.5)
    assert float(moved[10, 110]) == 0


def test_in_an_edit_the_first_frame_is_looked_at(mini: Backbone, rendered: world.Rendered, tmp_path: Path) -> None:
    clip = Clip(torch.from_numpy(rendered.frames), Fraction(8))
    settings = {"source_prompt": SCENE.caption, "steps": 1, "check_inversion": False, "control": ()}
    strokes = file(tmp_path, "word:star")
    result = edit(mini, clip, SCENE.caption, motion_strokes=strokes, **settings)
    red, green, blue = result.working_source.frames[2]
    rows, columns = ((red > 0.8) & (green > 0.8) & (blue < 0.4)).nonzero().float().unbind(1)
    assert float(rows.mean()) == pytest.approx(80, abs=4)
    assert float(columns.mean()) == pytest.approx(50, abs=4)


def test_words_are_found_by_any_model(sd1: Path, picture: Path, tmp_path: Path) -> None:
    strokes = tmp_path / "s.yaml"
    mask = "{points: [[15, 23], [25, 23]], mask: 'word:cat'}"
    anchor = "{point: [50, 20], mask: 'word:red'}"
    strokes.write_text(f"version: 1\nsize: [64, 48]\nstrokes: [{mask}]\nanchors: [{anchor}]\n")
    settings = {"prompt": "a red cat", "frames": 2, "steps": 1, "size": 64}
    result = animate(load_backbone(sd1), picture, motion_strokes=strokes, **settings)
    assert bool(torch.isfinite(result.clip.frames).all())
    assert torch.equal(animate(load_backbone(sd1), picture, motion_strokes=strokes, **settings).clip.frames,
                       result.clip.frames)  # fmt: skip


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ((), "it: the mask word:star is a word of what is shown; say that with --prompt"),
        (("-p", "a red cat"), "it: the mask word:star: the prompt does not say 'star'; its words are: a, red, cat"),
    ],
)
def test_a_word_that_is_not_said_is_one_line(
    vedit: Command, toy_model: Path, rendered: world.Rendered, tmp_path: Path, flags: tuple[str, ...], said: str
) -> None:
    Clip(torch.from_numpy(rendered.frames[:1]), Fraction(8)).save(tmp_path / "p")
    strokes = file(tmp_path, "word:star")
    ran = vedit("animate", tmp_path / "p" / "00000.png", "--motion-strokes", strokes, "--model", toy_model, *flags)
    assert said in ran.complaint


def test_without_a_picture_there_is_nowhere_to_look(vedit: Command, toy_model: Path, tmp_path: Path) -> None:
    strokes, quick = file(tmp_path, "word:star"), ("--model", toy_model, "--steps", 1, "--width", 16, "--height", 16)
    for flags in (("--motion-strokes", strokes), ("--condition", f"strokes:file={strokes}")):
        said = vedit("generate", "a star", *quick, *flags, "-o", tmp_path / "o.mp4").complaint
        assert "it: the mask word:star needs a model that looks at a picture" in said
