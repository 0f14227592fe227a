"""``vedit upscale``, with a small model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from PIL import Image

from tests.backbone import toys
from tests.conftest import Ran
from vedit.adapters.loading import load_backbone
from vedit.clip import probe, read_clip
from vedit.errors import ConfigError
from vedit.jobs.upscale import upscale

Command = Callable[..., Ran]


@pytest.fixture
def quick(toy_model: Path) -> tuple[object, ...]:
    """Flags that make it short."""
    return "--model", toy_model, "--steps", 4, "--strength", 0.5, "--frames", 2


def test_a_larger_clip_with_its_sound_that_can_be_made_again(
    vedit: Command, toy_clip: Path, quick: tuple[object, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = vedit("upscale", toy_clip, *quick, "--tile", 64)
    assert ran.status == 0, ran.err
    assert ran.out.startswith("toy-large.mp4  2 frames, 92x60, 29.97 fps, with sound")
    made, source = read_clip("toy-large.mp4"), probe(toy_clip)
    assert (made.size, made.rate, made.audio is not None) == ((60, 92), source.rate, True)
    again = vedit("rerun", "toy-large.yaml", "-o", "again.mp4")
    assert again.status == 0, again.err
    assert Path("again.mp4").read_bytes() == Path("toy-large.mp4").read_bytes()
    assert yaml.safe_load(Path("again.yaml").read_text())["command"] == "upscale"


def test_a_clip_in_memory_is_made_larger(toy_model: Path, toy_clip: Path, tmp_path: Path) -> None:
    clip, backbone = read_clip(toy_clip, frames=2), load_backbone(toy_model, device="cpu")
    made = upscale(backbone, clip, steps=2)
    assert made.clip.frames.shape == (2, 3, 60, 92)
    assert made.clip.audio is not None
    assert [path.name for path in made.save(tmp_path / "o.mp4")] == ["o.mp4", "o.yaml"]
    assert repr(made).startswith("UpscaleResult(LazyClip(2 frames, 92x60")
    with pytest.raises(ConfigError, match="the backbone is loaded already"):
        upscale(backbone, clip, device="cpu")


def test_words_noise_and_strength_matter(
    vedit: Command, toy_clip: Path, quick: tuple[object, ...], tmp_path: Path
) -> None:
    ways = {
        "plain": (),
        "words": ("-p", "a cat"),
        "seed": ("--seed", 1),
        "fresh": ("--prior", "gaussian"),
        "more": ("--strength", 1.0),
        "three": ("--times", 3),
    }
    for name, flags in ways.items():
        ran = vedit("upscale", toy_clip, *quick, *flags, "-o", tmp_path / name)
        assert ran.status == 0, ran.err
    sizes = {name: read_clip(tmp_path / name).size for name in ways}
    assert sizes.pop("three") == (90, 138)
    assert set(sizes.values()) == {(60, 92)}
    frames = [read_clip(tmp_path / name).frames for name in sizes]
    for index, one in enumerate(frames):
        assert all(not one.equal(other) for other in frames[index + 1 :])


def test_the_models_own_control_net_holds_what_is_there(
    vedit: Command, toy_clip: Path, toy_model: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    shutil.copytree(toy_model, model)
    backbone = load_backbone(toy_model, device="cpu")
    toys.controlnet_folder(backbone.unet, model / "controlnet_tile", backbone.vae_scale_factor)
    (model / "vedit.json").write_text(json.dumps({"controls": {"tile": "controlnet_tile"}}))
    common = ("upscale", toy_clip, "--model", model, "--steps", 2, "--frames", 2)
    made = {}
    for name, flags in (
        ("own", ()),
        ("none", ("--tile-net", "none")),
        ("named", ("--tile-net", model / "controlnet_tile")),
    ):
        ran = vedit(*common, *flags, "-o", tmp_path / name)
        assert ran.status == 0, ran.err
        made[name] = read_clip(tmp_path / name).frames
    assert made["own"].equal(made["named"])
    assert not made["own"].equal(made["none"])
    assert "ControlNet tile" in vedit(*common, "--no-cache", "--dry-run").out


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--times", "1"], "--times: '1' is out of range; expected 2..8"),
        (["--tile", "8"], "--tile: '8' is out of range; expected 32..8192"),
        (["--prior", "inversion"], "inversion is no noise to add to a clip; take shared, gaussian or reshuffled"),
        (["--prior", "walk"], "walk is no noise to add"),
        (["--strength", "0"], "--strength"),
        (["--tile-net", "no/such"], "no/such"),
        (["-o", "x.avi"], ".avi cannot be written"),
        (["-p", "picture.png"], "looks like a path"),
    ],
)
def test_what_cannot_be_is_one_line(
    vedit: Command,
    toy_clip: Path,
    quick: tuple[object, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    flags: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in vedit("upscale", toy_clip, *quick, *flags).complaint
    assert list(tmp_path.iterdir()) == []


def test_a_clip_that_would_be_too_large_is_told_before(
    vedit: Command, quick: tuple[object, ...], tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    Image.new("RGB", (1200, 1200)).save(tmp_path / "in" / "0.png")
    told = vedit("upscale", tmp_path / "in", *quick[:2], "--times", 8, "-o", tmp_path / "o.mp4")
    assert "9600x9600 are more than 33,554,432 pixels; the clip is 1200x1200" in told.complaint


def test_whole_frames_are_foretold_of_the_vae(vedit: Command, toy_model: Path, toy_clip: Path) -> None:
    def vae(tile: int) -> list[str]:
        told = vedit("upscale", toy_clip, "--model", toy_model, "--tile", tile, "--no-cache", "--dry-run").out
        return [line for line in told.splitlines() if "VAE" in line]

    assert len(vae(64)) == 2
    assert vae(64) == vae(128)
