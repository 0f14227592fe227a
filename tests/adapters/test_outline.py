"""A model is named by its files alone as it is when it is loaded."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from tests.backbone import toys
from vedit.adapters.loading import ModelSpec, load_backbone
from vedit.adapters.tuned import Adapter
from vedit.config import EditConfig
from vedit.session import Model, Session
from vedit.tuning.one_shot import tune


def alike(spec: ModelSpec) -> None:
    told, held = spec.outline(), spec.load().outline()
    assert Model.of(told) == Model.of(held)
    assert told.state == held.state
    for name in ("folder", "unet", "vae_scale_factor", "notes", "layers", "tuned", "device", "dtype", "kernel"):
        assert getattr(told, name) == getattr(held, name), name
    assert told.tokenizer.get_vocab() == held.tokenizer.get_vocab()


@pytest.mark.parametrize("given", [{}, {"kernel": "math"}])
def test_a_folder(given: dict[str, Any], toy_model: Path) -> None:
    alike(ModelSpec(toy_model, device="cpu", **given))


def test_a_lora_that_teaches_a_word(toy_model: Path, tmp_path: Path) -> None:
    width = load_backbone(toy_model, device="cpu").text_encoder.config.hidden_size
    save_file({"<mark>": torch.zeros(width)}, tmp_path / "word.safetensors", {"<mark>": "<embed>"})
    alike(ModelSpec(toy_model, device="cpu", loras=(f"{tmp_path / 'word.safetensors'}:0.5",)))


def test_motion_modules_and_tune_a_video(sd1: Path, tmp_path: Path) -> None:
    wide = toys.sd_folder(tmp_path / "wide", levels=2, layers=1, width=32)
    toys.motion_adapter(wide).save_pretrained(tmp_path / "motion")
    alike(ModelSpec(wide, device="cpu", motion_adapter=str(tmp_path / "motion")))
    alike(ModelSpec(toys.tune_a_video_folder(tmp_path / "tav", sd1), device="cpu"))


def test_an_adapter_is_told_before_it_is_on(toy_model: Path, toy_clip: Path, tmp_path: Path) -> None:
    backbone = load_backbone(toy_model, device="cpu")
    frames = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    tune(backbone, frames, "a cat", steps=1, recipe="motion").save(tmp_path / "a.safetensors")
    named = {"clip": toy_clip, "prompt": "a dog", "model": str(toy_model), "device": "cpu"}
    config = EditConfig.model_validate({**named, "adapter": tmp_path / "a.safetensors"})
    told = Session().open(config)
    loaded = load_backbone(toy_model, device="cpu", adapter=tmp_path / "a.safetensors")
    assert told == Model.of(loaded.outline()) != Model.of(backbone.outline())
    assert Session().open(config, backbone) == told
    assert Session().open(config, loaded) == told
    with Adapter.load(tmp_path / "a.safetensors").on(backbone):
        assert Model.of(backbone.outline()) == told


def test_a_model_that_is_not_here_has_no_name(toy_model: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(toy_model, tmp_path / "bare", ignore=shutil.ignore_patterns("*.safetensors"))
    assert ModelSpec(folder, device="cpu").outline(weights=False).state == ""


def test_a_session_loads_a_model_when_it_is_needed_and_once(
    toy_model: Path, toy_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[ModelSpec] = []
    plain = ModelSpec.load
    monkeypatch.setattr(ModelSpec, "load", lambda spec: loads.append(spec) or plain(spec))
    config = EditConfig.model_validate({"clip": toy_clip, "prompt": "a", "model": str(toy_model), "device": "cpu"})
    session = Session()
    first, again = session.open(config), session.open(config)
    other = session.open(config.model_copy(update={"kernel": "math"}))
    assert loads == []
    assert session.plain(first) is session.plain(again)
    assert len(loads) == 1
    session.plain(other)
    session.plain(first)
    assert len(loads) == 3
