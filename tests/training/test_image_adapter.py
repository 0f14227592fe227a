"""A CLIP and an IP-Adapter of one's own: learnt from a folder of pictures and captions, for any model."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import world
from tests.conftest import Ran
from training import clip, image_adapter
from training.clip import Captioned, loss_of
from training.data import draw_scene
from training.image_adapter import drawn, elsewhere
from training.pictures import another, contrasted, seen
from vedit.adapters.ip_adapter import IPAdapter
from vedit.adapters.loading import load_backbone

Train = Callable[..., None]


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Train:
    def run(stage: object, *arguments: object) -> None:
        given = ["training", "--out", tmp_path / "runs", *arguments]
        monkeypatch.setattr(sys, "argv", [str(each) for each in given])
        stage.main()  # type: ignore[attr-defined]

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures of one caption, and one of another."""
    made = tmp_path / "pictures"
    made.mkdir()
    for name, colour, caption in (("a", "red", "a red cat"), ("b", "darkred", "a red cat"), ("c", "blue", "a cat")):
        Image.new("RGB", (80, 64), colour).save(made / f"{name}.png")
        (made / f"{name}.txt").write_text(caption)
    return made


def test_pictures_with_captions_teach_an_eye_and_an_adapter(
    toy_model: Path, folder: Path, tmp_path: Path, train: Train, vedit: Callable[..., Ran]
) -> None:
    eye, adapter = tmp_path / "made" / "image_encoder", tmp_path / "made" / "adapter.safetensors"
    common = ("--model", toy_model, "--pictures", folder)
    small = ("--side", 16, "--width", 16, "--batch", 3)
    train(clip, *common, *small, "--encoder", eye, "--steps", 2)
    assert {each.name for each in eye.iterdir()} == {"config.json", "model.safetensors", "text_projection.safetensors"}
    asked = (*common, "--encoder", eye, "--adapter", adapter, "--batch", 2)
    train(image_adapter, *asked, "--steps", 1)
    begun = load_file(adapter)
    train(image_adapter, *asked, "--steps", 3)  # goes on from the checkpoint
    learnt = load_file(adapter)
    backbone = load_backbone(toy_model, device="cpu")
    IPAdapter.read(adapter).check(backbone)
    own = next(module for name, module in backbone.unet.named_modules() if name.endswith("attn2"))
    assert torch.allclose(begun["ip_adapter.1.to_k_ip.weight"].float(), own.to_k.weight, atol=2e-2), "a copy at first"
    assert any(not torch.equal(learnt[name], begun[name]) for name in learnt)
    (tmp_path / "runs" / "image_adapter.pt").unlink()
    train(image_adapter, *asked, "--steps", 1, "--learning-rate", 0, "--begin-with", adapter)
    assert all(torch.equal(each, learnt[name]) for name, each in load_file(adapter).items())
    ran = vedit("generate", "", "--model", toy_model, "--image", folder / "a.png", "--image-adapter", adapter,
                "--frames", 2, "--steps", 1, "-o", tmp_path / "out.mp4")  # fmt: skip
    assert ran.status == 0, ran.err
    ran = vedit("inspect", "image", folder / "a.png", "--model", toy_model, "--image-adapter", adapter, "--caption",
                "a cat", "-o", tmp_path / "seen.png")  # fmt: skip
    assert ran.status == 0, ran.err
    assert "a cat" in ran.out


def test_a_folder_without_captions_is_refused(toy_model: Path, tmp_path: Path, train: Train) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(SystemExit, match="pictures with captions; expected two"):
        train(clip, "--model", toy_model, "--pictures", tmp_path, "--encoder", tmp_path / "e")


def test_neighbours_differ_in_one_thing() -> None:
    chance = np.random.default_rng(0)
    for seed in range(40):
        scene = draw_scene(seed, 0.6)
        other = another(scene, chance)
        second = other.objects[0]
        first_said, then_said = (
            (each.objects[0].shape, each.objects[0].colour, each.background, (each.weather, each.intensity), each.look)
            for each in (scene, other)
        )
        pairs = zip(first_said, then_said, strict=True)
        assert sum(one != two for one, two in pairs) == 1
        assert seen(scene) != seen(other)
        assert not world.held_out_triple(second.shape, second.colour, other.background)
        assert not any(word in seen(scene).split() for word in ("moving", "left", "pans"))
    frames, captions = contrasted(3, 2)
    assert frames.shape == (4, 3, world.SIZE, world.SIZE)
    assert len(set(captions)) >= 3


def test_the_shown_picture_has_the_look_and_not_the_layout() -> None:
    scenes = [draw_scene(seed, 0.5) for seed in range(30)]
    others = [elsewhere(scene, 1000 + index) for index, scene in enumerate(scenes)]
    for scene, other in zip(scenes, others, strict=True):
        assert seen(scene) == seen(other)
    where, there = (np.array([each.objects[0].position(0) for each in held]) for held in (scenes, others))
    assert abs(np.corrcoef(where[:, 0], there[:, 0])[0, 1]) < 0.5
    frames, looks, captions = drawn(5, 2)
    assert (len(frames), len(looks), len(captions)) == (2, 4, 14)
    for *_, shown, wrong, right in (captions[:7], captions[7:]):
        assert wrong != right
        assert all(word in right.split() for word in shown.split())


def test_the_contrast_leaves_out_what_is_told_alike() -> None:
    alike = torch.tensor([[9.0, 9.0, 0.0], [9.0, 9.0, 0.0], [0.0, 0.0, 9.0]])
    assert loss_of(alike, torch.tensor([0, 0, 1])) < 1e-3
    assert loss_of(alike, torch.tensor([0, 2, 1])) > 0.4


def test_neighbours_are_learnt_from_together() -> None:
    held = Captioned(torch.zeros(10, 3, 4, 4), torch.zeros(10, 2), torch.arange(10), neighbours=True)
    chosen = held.batch(6, torch.Generator().manual_seed(0)).tolist()
    assert sorted(chosen) == sorted({each ^ 1 for each in chosen})
    assert len(set(chosen)) == 6
