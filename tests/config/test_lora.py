"""A LoRA's text is read once, in one way, whoever asks."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import yaml

from vedit.adapters.lora import Lora
from vedit.config import EditConfig, TuneConfig, sidecar
from vedit.config.files import file_layer
from vedit.config.lora import LoraSpec
from vedit.config.merge import Layer, merge


def edit(*loras: object) -> EditConfig:
    return merge(EditConfig, Layer({"clip": "c.mp4", "prompt": "a cat", "model": "mini", "lora": loras}))


@pytest.mark.parametrize(
    ("text", "file", "scale"),
    [
        ("a.safetensors", "a.safetensors", 1.0),
        ("a.safetensors:0.8", "a.safetensors", 0.8),
        ("a.safetensors:-1", "a.safetensors", -1.0),
        ("a.safetensors:1e-1", "a.safetensors", 0.1),
        ("a:1:2", "a:1", 2.0),
        ("a:b", "a:b", 1.0),
        (":0.5", ":0.5", 1.0),
        ("owner/name", "owner/name", 1.0),
    ],
)
def test_a_text_is_a_file_and_a_scale(text: str, file: str, scale: float) -> None:
    spec = LoraSpec.read(text)
    assert (spec.file, spec.scale) == (file, scale)
    assert str(spec) == text


def test_a_scale_need_not_be_sensible_to_be_read() -> None:
    assert math.isnan(LoraSpec.read("a.safetensors:nan").scale)


def test_a_file_whose_whole_name_is_the_text_comes_first(tmp_path: Path) -> None:
    (tmp_path / "a:1").touch()
    assert LoraSpec.read(f"{tmp_path}/a:1") == LoraSpec(f"{tmp_path}/a:1")
    assert LoraSpec.read("./a:1", tmp_path) == LoraSpec("./a:1")
    assert LoraSpec.read("./a:1") == LoraSpec("./a", "1")


@pytest.mark.parametrize(("scale", "said"), [(1, "1"), (0.5, "0.5"), (1 / 3, "0.3333333333333333"), (1e-9, "1e-09")])
def test_a_pair_loses_no_digit(scale: float, said: str) -> None:
    spec = LoraSpec.of(("a.safetensors", scale))
    assert str(spec) == f"a.safetensors:{said}"
    assert LoraSpec.read(str(spec)).scale == scale


def test_settings_take_texts_and_what_was_read(tmp_path: Path) -> None:
    config = edit("a:0.50", LoraSpec("b", "2"))
    assert config.lora == (LoraSpec("a", "0.50"), LoraSpec("b", "2"))
    assert config.model_dump(mode="json")["lora"] == ["a:0.50", "b:2"]


@pytest.mark.parametrize("text", ["a.safetensors", "a.safetensors:-1", "~/a.safetensors:0.5", "~/b:1", "~/b:1:2"])
def test_what_is_read_is_what_the_adapter_opens(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name in ("a.safetensors", "b:1"):
        (tmp_path / name).touch()
    config = TuneConfig(clip="c.mp4", prompt="a", model="mini", lora=text)
    read = [file.path.resolve() for file in config.files_read() if file.setting == "lora"]
    assert Lora.of(config.lora[0]).path.resolve() in read


def test_a_sidecar_keeps_a_name_that_ends_like_a_scale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "b:1").touch()
    monkeypatch.chdir(folder)
    sidecar.save(edit("b:1", "b:1:0.5"), folder / "o.yaml", {}, overwrite=False)
    assert yaml.safe_load((folder / "o.yaml").read_text())["lora"] == ["./b:1", "./b:1:0.5"]
    monkeypatch.chdir(tmp_path)
    again = merge(EditConfig, file_layer(folder / "o.yaml", EditConfig))
    assert again.lora == (LoraSpec(f"{folder}/b:1"), LoraSpec(f"{folder}/b:1", "0.5"))
