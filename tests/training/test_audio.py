"""A sound encoder of one's own: learnt from a folder of sounds and captions, for any model."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.clip.test_audio_file import write
from tests.conftest import Ran
from training.audio import main
from vedit.adapters.loading import load_backbone
from vedit.clip import Audio
from vedit.conditioners.audio import check_encoder, encode_sound
from vedit.conditioners.sound_encoder import load_sound_encoder

RATE = 22_050
CAPTIONS = {"low": "waves at night", "high": "crickets over grass"}


def tone(name: str, seconds: float) -> Audio:
    pitch = {"low": 200, "high": 3000}[name]
    return Audio(torch.sin(torch.arange(round(seconds * RATE)) / RATE * pitch * 2 * torch.pi)[None] * 0.3, RATE)


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Path]:
    def run(*arguments: object) -> Path:
        made = tmp_path / "made.safetensors"
        given = ["training.audio", "--out", tmp_path / "runs", "--encoder", made, *arguments]
        monkeypatch.setattr(sys, "argv", [str(each) for each in given])
        main()
        return made

    return run


def test_pairs_teach_what_their_captions_say(
    toy_model: Path, tmp_path: Path, train: Callable[..., Path], vedit: Callable[..., Ran]
) -> None:
    pairs = tmp_path / "pairs"
    pairs.mkdir()
    for name, caption in CAPTIONS.items():
        write(pairs / f"{name}.wav", tone(name, 4 if name == "low" else 1).samples, RATE)
        (pairs / f"{name}.txt").write_text(caption + "\n")
    (pairs / "alone.txt").write_text("a caption without a sound")
    made = train("--model", toy_model, "--pairs", pairs, "--steps", 30)

    backbone = load_backbone(toy_model)
    encoder = check_encoder(load_sound_encoder(made), made, backbone)
    said = {name: backbone.embed([caption])[0] for name, caption in CAPTIONS.items()}
    for name in CAPTIONS:
        heard = encode_sound(encoder, tone(name, 2)).tokens[0, -1]
        assert min(said, key=lambda other: float((said[other] - heard).square().mean())) == name

    asked = ["--model", toy_model, "--frames", 2, "--steps", 2, "-o", tmp_path / "out.mp4"]
    ran = vedit("generate", "a star", "--audio", pairs / "low.wav", "--sound-encoder", made, *asked)
    assert ran.status == 0, ran.err


def test_one_goes_on_from_another(toy_model: Path, tmp_path: Path, train: Callable[..., Path]) -> None:
    pairs = tmp_path / "pairs"
    pairs.mkdir()
    for name, caption in CAPTIONS.items():
        write(pairs / f"{name}.wav", tone(name, 1).samples, RATE)
        (pairs / f"{name}.txt").write_text(caption)
    begun = train("--model", toy_model, "--pairs", pairs, "--steps", 1)
    before = load_sound_encoder(begun)
    begun = begun.rename(tmp_path / "begun.safetensors")
    (tmp_path / "runs" / "audio.pt").unlink()
    after = load_sound_encoder(train("--model", toy_model, "--pairs", pairs, "--begin-with", begun, "--steps", 1))
    assert after.config == before.config
    # One step of a rate that still rises moves weights a little; fresh ones would be others altogether.
    assert 0 < float((after.places - before.places).abs().max()) < 1e-3


def test_too_few_pairs(toy_model: Path, tmp_path: Path, train: Callable[..., Path]) -> None:
    (tmp_path / "none").mkdir()
    with pytest.raises(SystemExit, match="0 pairs; expected two at least"):
        train("--model", toy_model, "--pairs", tmp_path / "none")
