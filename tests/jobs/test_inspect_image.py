"""What the image encoder makes of a picture, shown."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from tests.adapters import images
from tests.backbone.toys import TEXT_WIDTH
from tests.conftest import Ran
from vedit.adapters.loading import load_backbone
from vedit.backbone.image_encoder import pooled_words
from vedit.jobs.inspect_image import GAP, drawing

Command = Callable[..., Ran]


@pytest.fixture
def seeing(toy_model: Path, tmp_path: Path) -> Path:
    """The small model with an IP-Adapter and an image encoder in its folder."""
    folder = tmp_path / "seeing"
    shutil.copytree(toy_model, folder)
    images.save(images.original(load_backbone(toy_model).unet, "plus"), folder / "ip_adapter.safetensors")
    images.encoder_folder(folder / "image_encoder")
    (folder / "vedit.json").write_text('{"image_adapter": "ip_adapter.safetensors"}')
    return folder


def test_attention_of_the_tokens_and_nearest_captions(
    vedit: Command, seeing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    images.pictures(1, side=64)[0].save("look.png")
    asked = ("inspect", "image", "look.png", "--model", seeing, "--caption", "a cat", "--caption", "red")
    ran = vedit(*asked)
    assert ran.status == 0, ran.err
    assert "has no text tower" in ran.out
    with Image.open("look-seen.png") as sheet:
        assert sheet.size == (GAP + 7 * (64 + GAP), GAP + 64 + GAP), "the picture and six tokens"
    projection = torch.randn(images.POOLED, TEXT_WIDTH, generator=torch.Generator().manual_seed(0))
    save_file({"text_projection.weight": projection}, seeing / "image_encoder" / "text_projection.safetensors")
    ran = vedit(*asked, "--json", "--overwrite")
    assert ran.status == 0, ran.err
    told = json.loads(ran.out)["captions"]
    assert {caption for caption, _ in told} == {"a cat", "red"}
    assert told[0][1] >= told[1][1]
    assert all(-1 <= score <= 1 for _, score in told)


def test_words_are_pooled_at_their_first_end(toy_model: Path) -> None:
    backbone = load_backbone(toy_model, device="cpu")
    one, longer = pooled_words(backbone, ["red", "red cat on"])
    states = backbone.embed(["red"])[0]
    assert any(torch.allclose(one, each, atol=1e-5) for each in states[1:4])
    assert not torch.allclose(one, longer)


def test_a_drawing_of_many_tokens_shows_groups() -> None:
    sheet = drawing(torch.rand(3, 16, 16), torch.rand(257, 4, 4))
    assert sheet.size == (GAP + 8 * (16 + GAP), GAP + 4 * (16 + GAP))
