"""Pictures in all the ways that files have them, wherever one is given."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.conftest import Ran
from tests.jobs.test_images import saved
from vedit.clip import Clip, read_clip
from vedit.clip.images import read_picture

Command = Callable[..., Ran]

KINDS = ("cmyk", "palette", "alpha", "deep", "rotated", "webp", "bmp")


def made(folder: Path, kind: str) -> Path:
    """A picture of 48 x 32 pixels; "deep" is of 16 bits."""
    if kind != "deep":
        return saved(folder, kind)
    Image.new("I;16", (48, 32), 40_000).save(folder / "deep.png")
    return folder / "deep.png"


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_set_in_motion(vedit: Command, toy_model: Path, tmp_path: Path, kind: str) -> None:
    picture, output = made(tmp_path, kind), tmp_path / "out"
    ran = vedit("animate", picture, "--model", toy_model, "--steps", 1, "--frames", 2, "--size", 48, "-o", output)
    assert ran.status == 0, ran.err
    shown = read_picture(picture)  # in finer steps than a file's, where it is of 16 bits
    assert torch.allclose(read_clip(output).frames[0], shown, atol=1 / 255)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_first_frame_and_its_look_is_taken(vedit: Command, seeing: Path, tmp_path: Path, kind: str) -> None:
    picture, clip = made(tmp_path, kind), tmp_path / "clip"
    Clip(torch.rand(2, 3, 32, 48), Fraction(8)).save(clip)
    quick = ("--model", seeing, "--steps", 1, "--size", 48, "--no-check-inversion")
    ran = vedit("edit", clip, "--first", picture, *quick, "-o", tmp_path / "first")
    assert ran.status == 0, ran.err
    assert torch.allclose(read_clip(tmp_path / "first").frames[0], read_picture(picture), atol=1 / 255)
    ran = vedit("edit", clip, "red", "--image", picture, *quick, "-o", tmp_path / "look")
    assert ran.status == 0, ran.err
    ran = vedit("inspect", "image", picture, "--model", seeing, "-o", tmp_path / "seen.png")
    assert ran.status == 0, ran.err


def test_all_of_them_are_of_one_subject(vedit: Command, toy_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "subject"
    folder.mkdir()
    for kind in KINDS:
        made(folder, kind)
    quick = ("--model", toy_model, "--steps", 1, "--prior-pictures", 0, "--size", 32, "-o", tmp_path / "r.safetensors")
    ran = vedit("learn", "subject", folder, "--as", "<rex> dog", *quick)
    assert ran.status == 0, ran.err
