"""Whatever is no model, or a damaged one, is one clear line."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.backbone import toys
from vedit.adapters.loading import load_backbone
from vedit.backbone.loading import read_parts
from vedit.errors import WeightsError


def test_names_that_stand_for_nothing(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="did you mean 'sd15'"):
        load_backbone("sd-15")
    with pytest.raises(WeightsError, match="no folder"):
        load_backbone(tmp_path / "missing" / "folder")
    (tmp_path / "model.pt").write_bytes(b"")
    with pytest.raises(WeightsError, match="is no model"):
        load_backbone(tmp_path / "model.pt")


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder", "tokenizer", "scheduler"])
def test_a_missing_part_is_named(part: str, folder: Path) -> None:
    shutil.rmtree(folder / part)
    with pytest.raises(WeightsError, match=f"has no {part}:"):
        load_backbone(folder)


def test_missing_files_are_named(folder: Path) -> None:
    (folder / "tokenizer" / "merges.txt").unlink()
    with pytest.raises(WeightsError, match=r"no merges\.txt"):
        load_backbone(folder)
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(WeightsError, match="no weights for the unet"):
        load_backbone(folder)


@pytest.mark.parametrize("part", toys.PARTS)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_none(part: str, value: float, folder: Path) -> None:
    file = next((folder / part).glob("*.safetensors"))
    tensors = load_file(file)
    name = next(name for name, tensor in tensors.items() if tensor.is_floating_point())
    tensors[name].view(-1)[3] = value
    save_file(tensors, file)
    with pytest.raises(WeightsError, match=f"'{name}' holds NaN"):
        load_backbone(folder)


def test_weights_beside_another_config(folder: Path) -> None:
    file = folder / "unet" / "diffusion_pytorch_model.safetensors"
    whole = load_file(file)
    save_file({name: tensor for name, tensor in whole.items() if "conv_out" not in name}, file)
    with pytest.raises(WeightsError, match=r"2 missing \(conv_out.weight, conv_out.bias\)"):
        load_backbone(folder)
    save_file({**whole, "extra.weight": torch.zeros(1)}, file)
    with pytest.raises(WeightsError, match=r"1 unknown \(extra.weight\)"):
        load_backbone(folder)
    save_file(whole, file)
    toys.edit(folder / "unet" / "config.json", cross_attention_dim=16)
    with pytest.raises(WeightsError, match=r"do not fit.*its config asks for"):
        load_backbone(folder)


def test_other_families_are_refused(folder: Path) -> None:
    config = folder / "unet" / "config.json"
    plain = config.read_text()
    cases = [
        ("in_channels", 9, "9 channels"),
        ("addition_embed_type", "text_time", "addition_embed_type"),
        ("_class_name", "UNetMotionModel", "--motion-adapter"),
        ("_class_name", "UNet3DConditionModel", "not Tune-A-Video"),
        ("down_block_types", ["KDownBlock2D"] * 4, "KDownBlock2D"),
        ("norm_num_groups", 7, "cannot be built"),
    ]
    for field, value, line in cases:
        toys.edit(config, **{field: value})
        with pytest.raises(WeightsError, match=line):
            load_backbone(folder)
        config.write_text(plain)
    toys.edit(folder / "scheduler" / "scheduler_config.json", prediction_type="sample")
    with pytest.raises(WeightsError, match="predicts 'sample'"):
        load_backbone(folder)
    index = {
        "_class_name": "StableDiffusionXLPipeline",
        "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
    }
    toys.edit(folder / "model_index.json", **index)
    with pytest.raises(WeightsError, match="StableDiffusionXLPipeline"):
        load_backbone(folder)


def test_pickles_that_run_code_are_refused(tmp_path: Path, folder: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "ran",))

    file = folder / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save({"conv_in.weight": Trap()}, file.with_suffix(".bin"))
    file.unlink()
    with pytest.raises(WeightsError, match="could run code"):
        load_backbone(folder)
    file.with_suffix(".bin").write_bytes(pickle.dumps({"conv_in.weight": Trap()}))
    with pytest.raises(WeightsError):
        load_backbone(folder)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
def test_damaged_files(suffix: str, tmp_path: Path) -> None:
    path = toys.sd_folder(tmp_path / "model", safetensors=suffix == ".safetensors", levels=2, layers=1)
    file = path / "unet" / f"diffusion_pytorch_model{suffix}"
    content = file.read_bytes()
    for spoilt in (content[: len(content) // 2], b"", b"<html>not found</html>"):
        file.write_bytes(spoilt)
        with pytest.raises(WeightsError, match=r"cannot be read|no named tensors"):
            load_backbone(path)
    file.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(WeightsError, match="git lfs pull"):
        load_backbone(path)
    (path / "unet" / "config.json").write_text("{")
    with pytest.raises(WeightsError, match="as JSON"):
        load_backbone(path)


def test_single_files_of_other_kinds(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    save_file({"lora_unet_mid_block_attentions_0_proj_in.lora_up.weight": torch.zeros(2, 2)}, file)
    with pytest.raises(WeightsError, match=r"no Stable Diffusion 1\.x"):
        load_backbone(file)
    save_file({"model.diffusion_model.out.2.bias": torch.zeros(4), "conditioner.embedders.0.x": torch.zeros(1)}, file)
    with pytest.raises(WeightsError, match="SDXL"):
        load_backbone(file)


def test_a_tokenizer_of_another_model(folder: Path) -> None:
    vocab = toys.vocabulary()
    more = {**vocab, **{f"word{index}</w>": len(vocab) + index for index in range(9)}}
    (folder / "tokenizer" / "vocab.json").write_text(json.dumps(more))
    with pytest.raises(WeightsError, match="do not belong"):
        load_backbone(folder)


def test_a_tokenizer_without_a_length_takes_the_text_encoders(folder: Path) -> None:
    config = folder / "tokenizer" / "tokenizer_config.json"
    settings = json.loads(config.read_text())
    del settings["model_max_length"]
    config.write_text(json.dumps(settings))
    assert read_parts(folder).tokenizer.model_max_length == toys.TOKENS


def test_parts_of_different_models(folder: Path, tmp_path: Path) -> None:
    other = toys.sd_folder(tmp_path / "other", unet={"cross_attention_dim": 16})
    shutil.rmtree(folder / "unet")
    shutil.copytree(other / "unet", folder / "unet")
    with pytest.raises(WeightsError, match="is 12, its unet takes 16"):
        load_backbone(folder)
