"""Edits of a stretch of a clip."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.conftest import Ran
from tests.jobs.edits import edited
from tests.jobs.test_shots import two_shots
from vedit.backbone import Backbone
from vedit.clip import read_clip
from vedit.errors import ConfigError

Command = Callable[..., Ran]
PLAIN = {"control": "none", "source_prompt": "a dog"}


def test_the_rest_stays_as_it_is_to_the_bit(backbone: Backbone, toy_clip: Path) -> None:
    whole = read_clip(toy_clip)
    result = edited(backbone, toy_clip, only="1..3", **PLAIN)
    assert len(result.clip) == len(result.source) == 5
    kept = [0, 3, 4]
    assert torch.equal(result.clip.frames[kept], whole.frames[kept])
    alone = edited(backbone, toy_clip, start=1, frames=2, **PLAIN)
    assert torch.equal(result.clip.frames[1:3], alone.clip.frames)
    assert result.clip.audio is not None
    assert whole.audio is not None
    assert torch.equal(result.clip.audio.samples, whole.audio.samples)
    in_memory = edited(backbone, whole, only="1..3", **PLAIN)
    assert torch.equal(in_memory.clip.frames[kept], whole.frames[kept])


def test_times_count_from_the_beginning(backbone: Backbone, toy_clip: Path) -> None:
    """What varies in time is in a stretch what it is in the whole clip."""
    told = {"guidance": "0:1, 4:9", "prompt_at": ["4:a red dog"], "attention": "per_frame", "mask": "none", **PLAIN}
    whole = edited(backbone, toy_clip, **told).clip.frames
    part = edited(backbone, toy_clip, only="2..4", **told).clip.frames
    torch.testing.assert_close(part[2:4], whole[2:4], atol=1e-4, rtol=1e-4)


def test_a_stretch_has_a_sound_a_mask_and_a_sheet(
    vedit: Command, toy_clip: Path, toy_model: Path, song: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.mp4"
    ran = vedit(
        "edit", toy_clip, "a cat", "--model", toy_model, "--steps", 2, "--only", "0.04s..0.11s", "--audio", song,
        "--audio-mix", "--mask", "box:0,0,0.5,1", "--guidance", "3+loudness", "--sheet", tmp_path / "sheet.png",
        "--report", tmp_path / "page.html", "-o", output,
    )  # fmt: skip
    assert ran.status == 0, ran.err
    assert "Of the clip's 5 frames 1 to 2 were edited; the others are its own." in " ".join((ran.out + ran.err).split())
    made = read_clip(output)
    assert len(made) == 5
    assert made.audio is not None
    assert (tmp_path / "sheet.png").exists()


@pytest.mark.parametrize(
    ("only", "said"),
    [("3..2", "holds none"), ("5..9", "holds none"), ("2s", "is no stretch"), ("..", "is no stretch")],
)
def test_stretches_that_cannot_be(vedit: Command, toy_clip: Path, toy_model: Path, only: str, said: str) -> None:
    assert said in vedit("edit", toy_clip, "a cat", "--model", toy_model, "--only", only, "--dry-run").complaint


def test_a_stretch_that_cannot_be_is_told_before_a_model_is_opened(vedit: Command, toy_clip: Path) -> None:
    assert "holds none of the" in vedit("edit", toy_clip, "a cat", "--only", "5..2", "--model", "no").complaint


def test_a_prompt_comes_with_its_shot_in_a_stretch_too(backbone: Backbone) -> None:
    clip, told = two_shots(), {"prompt_at": ["shot2:a red dog"], "mask": "none", **PLAIN}
    for only, shots in (("2..8", "5"), ("1..10", "auto"), ("6..9", "5")):
        part = slice(*map(int, only.split("..")))
        made = edited(backbone, clip, "a cat", only=only, shots=shots, **told).clip.frames
        for own, prompt in ((slice(0, 5), "a cat"), (slice(5, 11), "a red dog")):
            cut = slice(max(own.start, part.start), min(own.stop, part.stop))
            if cut.start < cut.stop:
                alone = edited(backbone, clip[cut], prompt, mask="none", **PLAIN).clip.frames
                torch.testing.assert_close(made[cut], alone, atol=1e-4, rtol=1e-4)


def test_shots_are_counted_in_the_whole_clip(backbone: Backbone) -> None:
    clip, told = two_shots(), {"shots": "5", "only": "6..9", "mask": "none", **PLAIN}
    assert edited(backbone, clip, **told).config.shots == "5"
    with pytest.raises(ConfigError, match="no shot3; the clip has 2 shots, cut at 5"):
        edited(backbone, clip, prompt_at=["shot3:a red dog"], **told)
