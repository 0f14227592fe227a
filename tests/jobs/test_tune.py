"""``vedit tune``: an adapter, and going on after an interruption."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.clip.making import picture_clip
from tests.conftest import Ran
from vedit.adapters.tuned import Adapter
from vedit.config import TuneConfig
from vedit.jobs import run
from vedit.tuning import one_shot as tuning

Command = Callable[..., Ran]


def test_an_adapter_is_written_by_the_clips_name(
    vedit: Command, toy_model: Path, toy_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ("tune", toy_clip, "--prompt", "a dog", "--model", toy_model, "--steps", 2)
    assert vedit(*command).status == 0
    assert [path.name for path in tmp_path.iterdir()] == ["toy.safetensors"]
    assert Adapter.load("toy.safetensors").config["prompt"] == "a dog"
    assert "exists already" in vedit(*command).complaint


def test_it_goes_on_where_it_was_interrupted(
    toy_model: Path, toy_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "CHECKPOINT_EVERY", 2)
    settings = {"clip": toy_clip, "prompt": "a dog", "model": str(toy_model), "steps": 5, "device": "cpu"}
    whole, halved = tmp_path / "whole.safetensors", tmp_path / "halved.safetensors"
    run(TuneConfig(**settings, output=whole))

    def interrupt(stage: str, done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    config = TuneConfig(**settings, output=halved)
    with pytest.raises(KeyboardInterrupt):
        run(config, progress=interrupt)
    assert not halved.exists()
    seen: list[int] = []
    run(config, progress=lambda stage, done, total: seen.append(done))
    assert seen == [3, 4, 5]
    assert {path.name for path in tmp_path.iterdir()} == {"whole.safetensors", "halved.safetensors"}
    one, other = Adapter.load(whole).tensors, Adapter.load(halved).tensors
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--prompt", "a dog", "-o", "x.mp4"], "an adapter is written as .safetensors"),
        (["--prompt", "a dog", "-o", "no/such/x.safetensors"], "does not exist"),
        ([], "prompt is missing"),
        (["--prompt", "a dog", "--adapter", "a.safetensors"], "cannot be tuned further"),
        (["--prompt", "a dog", "--learning-rate", "0"], "--learning-rate"),
    ],
)
def test_wrong_wishes_are_one_line(vedit: Command, toy_clip: Path, arguments: list[str], said: str) -> None:
    assert said in vedit("tune", toy_clip, *arguments).complaint


def test_an_adapter_of_the_current_folder_has_its_name(
    vedit: Command, toy_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "fox"
    picture_clip(2).save(folder)
    monkeypatch.chdir(folder)
    ran = vedit("tune", ".", "--prompt", "a fox", "--model", toy_model, "--steps", 1, "--size", 16)
    assert ran.status == 0, ran.err
    assert (folder / "fox.safetensors").is_file()


@pytest.mark.parametrize("kept", [True, False])
def test_an_interruption_tells_what_it_left(
    kept: bool, vedit: Command, toy_model: Path, toy_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "a.safetensors"

    def interrupted(*_: object, checkpoint: Path, **__: object) -> None:
        if kept:
            checkpoint.touch()
        raise KeyboardInterrupt

    monkeypatch.setattr("vedit.stages.tune.tune", interrupted)
    ran = vedit("tune", toy_clip, "--prompt", "a", "--model", toy_model, "-o", output)
    assert ran.status == 130
    left = f"the same command goes on from {tmp_path / 'a.checkpoint.pt'}" if kept else "nothing partial was left"
    assert ran.err.endswith(f"error: interrupted; {left}\n")


def test_pictures_are_learnt_beside_the_clip(
    vedit: Command, toy_model: Path, toy_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pictures").mkdir()
    for name, size in (("a", (64, 48)), ("b", (48, 64))):
        Image.new("RGB", size, "red").save(f"pictures/{name}.png")
    Path("pictures/b.txt").write_text("a red dog on its side\n")
    common = ("tune", toy_clip, "--prompt", "a dog", "--model", toy_model, "--steps", 2)
    assert vedit(*common, "--pictures", "pictures", "-o", "beside.safetensors").status == 0
    assert Adapter.load("beside.safetensors").config["mix"] == 0.65
    assert vedit(*common, "--mix", 0.5, "-o", "mixed.safetensors").status == 0
    assert Adapter.load("mixed.safetensors").config["pictures"] == []
    Path("pictures/c.png").write_bytes(b"no picture")
    assert "c.png" in vedit(*common, "--pictures", "pictures", "-o", "c.safetensors").complaint
    assert "--mix" in vedit(*common, "--mix", 0).complaint
