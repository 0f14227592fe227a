"""Strokes whose masks are words: the model says where the picture shows them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import world
from tests.conftest import Ran
from tests.jobs.goals import steps_expected
from vedit.adapters.loading import load_backbone
from vedit.backbone import Backbone
from vedit.clip import Clip
from vedit.config import EditConfig
from vedit.graph import plan
from vedit.jobs import entry_of
from vedit.jobs.animate import animate
from vedit.jobs.base import Given
from vedit.jobs.cost import cost_of
from vedit.jobs.edit import edit
from vedit.masks.word import NOISE_LEVELS
from vedit.session import Session

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


@pytest.mark.filterwarnings("ignore::vedit.errors.VeditWarning")
def test_the_search_for_words_is_counted_as_it_is_made(
    toy_model: Path, toy_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the picture that strokes are drawn on for their words, in all frames for the mask's: no frame twice, whatever
    the windows."""
    strokes = tmp_path / "two.yaml"
    words = ("{points: [[5, 5], [9, 5]], mask: 'word:dog'}", "{points: [[9, 9], [5, 9]], mask: 'word:red'}")
    strokes.write_text(f"version: 1\nsize: [16, 16]\nstrokes: [{', '.join(words)}]\n")
    settings = {
        "clip": str(toy_clip), "model": str(toy_model), "prompt": "a red dog", "source_prompt": "a red dog",
        "steps": 2, "size": 16, "window": 3, "mask": "word:dog", "control": "none", "check_inversion": False,
        "cache": False, "motion_strokes": str(strokes),
    }  # fmt: skip
    config = EditConfig.model_validate(settings)
    looks = steps_expected(config)["finding the word"]
    assert looks * 5 == pytest.approx(len(NOISE_LEVELS) * (5 + 1 + 1))
    goal = entry_of(config).load().goal(config, Session(), Given())
    counted = {what: times for what, times, _ in cost_of(goal, plan(goal.stage), None).work}
    assert counted["looks for the mask's word"] == len(NOISE_LEVELS) * 7
    assert counted["VAE, in"] == 5 + 1, "the picture once for both words"
    seen, encoded = Counter[str](), Counter[str]()
    predict, encode = Backbone.predict, Backbone.encode

    def told(backbone: Backbone, x: Tensor, *others: Any, **named: Any) -> Tensor:
        seen["recorded" if backbone._context.record is not None else "other"] += x.shape[0] * x.shape[1]
        return predict(backbone, x, *others, **named)

    def encoding(backbone: Backbone, frames: Tensor) -> Tensor:
        encoded["frames"] += len(frames)
        return encode(backbone, frames)

    monkeypatch.setattr(Backbone, "predict", told)
    monkeypatch.setattr(Backbone, "encode", encoding)
    edit(toy_model, toy_clip, **{name: each for name, each in settings.items() if name not in ("clip", "model")})
    assert seen["recorded"] == counted["looks for the mask's word"]
    assert encoded["frames"] == counted["VAE, in"]


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
