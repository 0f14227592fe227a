"""A small model, a clip, a song, a model that hears, and one that sees pictures."""

from __future__ import annotations

import shutil
import wave
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.adapters import images
from vedit.adapters.loading import load_backbone
from vedit.backbone import Backbone
from vedit.clip import Clip, read_clip
from vedit.conditioners.sound_encoder import SoundConfig, SoundEncoder

SONG_RATE = 8000


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of clicks, two in a second, the later ones louder."""
    samples = np.zeros(3 * SONG_RATE, np.float32)
    for beat in range(6):
        first = beat * SONG_RATE // 2 + 500  # inside of a frame, not at its edge
        samples[first : first + 200] = (0.2 + 0.15 * beat) * np.sin(np.arange(200)) * np.exp(-np.arange(200) / 60)
    path = tmp_path_factory.mktemp("sounds") / "song.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SONG_RATE, 0, "NONE", ""))
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


@pytest.fixture
def backbone(toy_model: Path) -> Backbone:
    return load_backbone(toy_model, device="cpu")


@pytest.fixture
def clip(toy_clip: Path) -> Clip:
    """Three frames of the small clip, with their sound."""
    return read_clip(toy_clip, frames=3)


@pytest.fixture
def quick(toy_model: Path) -> tuple[object, ...]:
    """Flags that make an edit of a second."""
    return "--model", toy_model, "--steps", 2


@pytest.fixture
def hearing_model(toy_model: Path, tmp_path: Path) -> Path:
    """The small model with a sound encoder in its folder."""
    folder = tmp_path / "hearing"
    shutil.copytree(toy_model, folder)
    backbone = load_backbone(toy_model, device="cpu")
    torch.manual_seed(0)
    sizes = {"channels": 8, "state": 16, "hidden": 32}
    width = backbone.unet.config.cross_attention_dim
    encoder = SoundEncoder(SoundConfig(tokens=backbone.tokenizer.model_max_length, width=width, **sizes))
    encoder.filters += torch.rand(encoder.filters.shape) / 100
    encoder.save(folder / "ear.safetensors")
    (folder / "vedit.json").write_text('{"sound_encoder": "ear.safetensors"}')
    return folder


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A red square on a grey ground that gets lighter to the right, 64 x 48 pixels."""
    frame = torch.linspace(0.3, 0.6, 64).expand(3, 48, 64).clone()
    frame[:, 16:32, 8:24] = torch.tensor([0.9, 0.1, 0.1])[:, None, None]
    Clip(frame[None], Fraction(8)).save(tmp_path / "square")
    return tmp_path / "square" / "00000.png"


@pytest.fixture
def strokes(tmp_path: Path) -> Path:
    """The square goes 24 pixels to the right."""
    path = tmp_path / "strokes.yaml"
    path.write_text("version: 1\nsize: [64, 48]\nstrokes: [{points: [[15, 23], [39, 23]], radius: 10}]\n")
    return path


@pytest.fixture(scope="module")
def seeing(toy_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small model with an IP-Adapter and an image encoder in its folder."""
    folder = tmp_path_factory.mktemp("models") / "seeing"
    shutil.copytree(toy_model, folder)
    images.save(images.original(load_backbone(toy_model).unet, "base"), folder / "ip_adapter.safetensors")
    images.encoder_folder(folder / "image_encoder")
    (folder / "vedit.json").write_text('{"image_adapter": "ip_adapter.safetensors"}')
    return folder
