"""Jobs on clips of several shots."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml

import vedit as package
from tests.conftest import Ran
from tests.jobs.edits import edited
from vedit.backbone import Backbone
from vedit.clip import Clip, read_clip
from vedit.errors import ConfigError

Command = Callable[..., Ran]
PLAIN = {"mask": "none", "control": "none", "source_prompt": "a dog"}


def two_shots(first: int = 5, second: int = 6) -> Clip:
    """Red that brightens, and then blue stripes that move."""
    red = torch.zeros(first, 3, 64, 64)
    red[:, 0] = torch.linspace(0.6, 0.8, first)[:, None, None]
    stripes = torch.stack([(torch.arange(64) + 2 * frame) % 16 < 8 for frame in range(second)]).float()
    blue = torch.zeros(second, 3, 64, 64)
    blue[:, 2] = 0.4 + 0.4 * stripes[:, None]
    return Clip(torch.cat([red, blue]), 8)


def test_each_shot_is_edited_as_a_clip_of_its_own(backbone: Backbone) -> None:
    clip = two_shots()
    both = edited(backbone, clip, **PLAIN)
    assert both.config.shots == "5"
    for own in (slice(0, 5), slice(5, 11)):
        alone = edited(backbone, clip[own], **PLAIN)
        assert torch.equal(both.clip.frames[own], alone.clip.frames)
    assert torch.equal(edited(backbone, clip, shots="5", **PLAIN).clip.frames, both.clip.frames)
    assert not torch.equal(edited(backbone, clip, shots="none", **PLAIN).clip.frames[5:], both.clip.frames[5:])


def test_windows_lie_within_the_shots(backbone: Backbone) -> None:
    clip = two_shots()
    fits = edited(backbone, clip, window=6, **PLAIN)
    assert torch.equal(fits.clip.frames, edited(backbone, clip, **PLAIN).clip.frames)
    cut = edited(backbone, clip, window=3, overlap=1, attention="first_frame", **PLAIN)
    alone = edited(backbone, clip[5:], window=3, overlap=1, attention="first_frame", **PLAIN)
    torch.testing.assert_close(cut.clip.frames[5:], alone.clip.frames)


def test_a_prompt_comes_with_its_shot(backbone: Backbone) -> None:
    clip = two_shots()
    then = edited(backbone, clip, "a cat", prompt_at=["shot2:a red dog"], **PLAIN).clip.frames
    for own, prompt in ((slice(0, 5), "a cat"), (slice(5, 11), "a red dog")):
        alone = edited(backbone, clip, prompt, **PLAIN).clip.frames
        torch.testing.assert_close(then[own], alone[own], atol=1e-4, rtol=1e-4)
    for shots, said in (
        ("auto", "the clip has 2 shots, cut at 5"),
        ("none", "the clip is one shot"),
        ("5", "cut at 5"),
    ):
        with pytest.raises(ConfigError, match=f"no shot3; .*{said}"):
            edited(backbone, clip, prompt_at=["shot3:a red dog"], shots=shots, **PLAIN)


def test_other_jobs_know_shots(backbone: Backbone) -> None:
    clip = two_shots()
    inverted = package.invert(backbone, clip, steps=2)
    alone = package.invert(backbone, clip[5:], steps=2)
    assert torch.equal(inverted.clip.frames[5:], alone.clip.frames)
    assert package.tune(backbone, clip, "a cat", steps=3).config["shots"] == [0, 5]
    assert package.tune(backbone, clip, "a cat", steps=3, shots="none").config["shots"] == [0]


def test_the_sidecar_says_where_the_clip_was_cut(vedit: Command, toy_model: Path, tmp_path: Path) -> None:
    two_shots().save(tmp_path / "in.mp4")
    output = tmp_path / "out.mp4"
    flags = ("--model", toy_model, "--steps", 2, "--control", "none")
    ran = vedit("edit", tmp_path / "in.mp4", "a cat", *flags, "-o", output)
    assert ran.status == 0, ran.err
    assert "2 shots, cut at 5" in " ".join(ran.err.split()) + " ".join(ran.out.split())
    assert yaml.safe_load(output.with_suffix(".yaml").read_text())["shots"] == "5"
    assert vedit("rerun", output.with_suffix(".yaml"), "-o", tmp_path / "again.mp4").status == 0
    assert torch.equal(read_clip(tmp_path / "again.mp4").frames, read_clip(output).frames)


@pytest.mark.parametrize(
    ("shots", "said"),
    [("3,2", "each after the one before"), ("0", "after frame 0"), ("9", "no frame 9"), ("soon", "is no cut")],
)
def test_cuts_that_cannot_be(vedit: Command, toy_clip: Path, toy_model: Path, shots: str, said: str) -> None:
    ran = vedit("edit", toy_clip, "a cat", "--model", toy_model, "--shots", shots, "--dry-run")
    assert said in ran.complaint
