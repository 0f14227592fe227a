"""Loading: every published form of a model gives the same weights."""

from __future__ import annotations

import logging
import shutil
import warnings
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file, save_file

from tests.backbone import toys
from vedit.adapters.loading import load_backbone
from vedit.backbone import model_files
from vedit.backbone.loading import choose_device, choose_dtype, read_parts
from vedit.errors import DeviceError, VeditError


@pytest.mark.parametrize("which", ["sd1", "sd2"])
def test_a_folder_gives_what_diffusers_gives(which: str, request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue(which)
    ours = load_backbone(path)
    theirs = StableDiffusionPipeline.from_pretrained(path, safety_checker=None, feature_extractor=None)
    assert toys.same(ours, theirs)
    assert ours.unet.config.attention_head_dim == theirs.unet.config.attention_head_dim
    assert ours.scheduler_config["prediction_type"] == ("epsilon" if which == "sd1" else "v_prediction")
    assert ours.tokenizer.model_max_length == toys.TOKENS
    words = {"padding": "max_length", "truncation": True}
    assert ours.tokenizer(["red cat", ""], **words).input_ids == theirs.tokenizer(["red cat", ""], **words).input_ids
    assert not ours.unet.training
    assert not any(parameter.requires_grad for parameter in ours.unet.parameters())


@pytest.mark.parametrize("which", ["sd1", "sd2"])
def test_a_single_file_gives_what_its_folder_gives(which: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue(which)
    shutil.copytree(path, tmp_path / "model", ignore=shutil.ignore_patterns("*.safetensors"))
    file = toys.original_file(path, tmp_path / "model.safetensors")
    assert toys.same(load_backbone(file), read_parts(path))
    torch.save({"state_dict": load_file(file), "global_step": 470000}, tmp_path / "model.ckpt")
    assert toys.same(load_backbone(tmp_path / "model.ckpt"), read_parts(path))


def test_a_single_file_says_what_it_predicts(tmp_path: Path, sd1: Path) -> None:
    shutil.copytree(sd1, tmp_path / "model")
    file = toys.original_file(sd1, tmp_path / "model.safetensors")
    assert read_parts(file).scheduler["prediction_type"] == "epsilon"
    (tmp_path / "model.yaml").write_text('model:\n  params:\n    parameterization: "v"\n')
    assert read_parts(file).scheduler["prediction_type"] == "v_prediction"
    save_file(load_file(file), file, {"modelspec.prediction_type": "epsilon"})
    assert read_parts(file).scheduler["prediction_type"] == "epsilon"


def test_pickles_fp16_variants_and_split_files(tmp_path: Path, sd1: Path) -> None:
    reference = read_parts(sd1)
    assert toys.same(read_parts(toys.sd_folder(tmp_path / "bin", safetensors=False)), reference)
    assert toys.same(read_parts(toys.sd_folder(tmp_path / "fp16", variant="fp16")), reference)
    split = Path(shutil.copytree(sd1, tmp_path / "split"))
    (split / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    reference.unet.save_pretrained(split / "unet", max_shard_size="1MB")
    assert len(list((split / "unet").glob("*.safetensors"))) > 1
    assert toys.same(read_parts(split), reference)


def test_safetensors_go_before_pickles_and_full_precision_before_half() -> None:
    stem = "unet/diffusion_pytorch_model"
    names = [f"{stem}.bin", f"{stem}.fp16.safetensors", f"{stem}.non_ema.safetensors", f"{stem}.safetensors"]
    assert model_files.weight_files(names, "unet") == [f"{stem}.safetensors"]
    assert model_files.weight_files(names[:3], "unet") == [f"{stem}.fp16.safetensors"]
    assert model_files.weight_files(names[:1], "unet") == [f"{stem}.bin"]
    assert model_files.weight_files([f"{stem}-00001-of-00002.safetensors"], "unet") == []


def test_early_vae_names(folder: Path) -> None:
    """SD 1.5's own VAE calls its attention's layers query, key, value and proj_attn."""
    file = folder / "vae" / "diffusion_pytorch_model.safetensors"
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    tensors = load_file(file)
    expected = read_parts(folder)
    for new, early in old.items():
        tensors = {name.replace(new, early): tensor for name, tensor in tensors.items()}
    assert any("proj_attn" in name for name in tensors)
    save_file(tensors, file)
    assert toys.same(read_parts(folder), expected)


@pytest.mark.parametrize("which", ["sd1", "sd2"])
@pytest.mark.parametrize("safetensors", [False, True])
def test_tune_a_video_pipelines(which: str, safetensors: bool, tmp_path: Path, sd1: Path) -> None:
    backbone = load_backbone(toys.tune_a_video_folder(tmp_path / "tuned", sd1, which, safetensors))
    weights = toys.tune_a_video_weights(which)
    assert backbone.unet.state_dict().keys() == weights.keys()
    assert all(torch.equal(backbone.unet.state_dict()[name], tensor) for name, tensor in weights.items())
    assert backbone.default_attention == "sparse_causal"
    assert backbone.layers.has_temporal
    assert backbone.layers.has_clip_wide_norm


def test_plain_models_attend_per_frame(sd1: Path) -> None:
    backbone = load_backbone(sd1)
    assert backbone.default_attention == "per_frame"
    assert not backbone.layers.has_temporal
    assert not backbone.layers.has_clip_wide_norm


@pytest.mark.filterwarnings("ignore:.*times slower than float32")
def test_devices_and_numbers(sd1: Path) -> None:
    assert choose_dtype("auto", torch.device("cuda")) == torch.float16
    assert choose_dtype("auto", torch.device("cpu")) == torch.float32
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    for name in ("tpu", "meta", "cuda:99", ""):
        with pytest.raises(DeviceError):
            choose_device(name)
    for dtype in ("float8", torch.int8):
        with pytest.raises(DeviceError):
            choose_dtype(dtype, torch.device("cpu"))
    backbone = load_backbone(sd1, device="cpu", dtype="bfloat16")
    assert backbone.dtype == torch.bfloat16
    assert backbone.text_encoder.dtype == torch.bfloat16
    assert backbone.vae.dtype == torch.float32


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_half_precision_on_a_gpu(sd1: Path) -> None:
    backbone = load_backbone(sd1)
    assert (backbone.device.type, backbone.dtype, backbone.vae.dtype) == ("cuda", torch.float16, torch.float32)
    assert backbone.fingerprint == load_backbone(sd1, device="cpu").fingerprint


@pytest.mark.filterwarnings("ignore:.*times slower than float32")
def test_a_fingerprint_is_of_the_weights_alone(sd1: Path, folder: Path) -> None:
    first = load_backbone(sd1).fingerprint
    assert len(first) == 32
    assert load_backbone(folder).fingerprint == first
    assert load_backbone(folder, dtype="bfloat16").fingerprint == first
    file = folder / "vae" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(file)
    next(iter(tensors.values())).view(-1)[0] += 1e-3
    save_file(tensors, file)
    assert load_backbone(folder).fingerprint != first


def test_a_healthy_folder_loads_in_silence(
    sd1: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        load_backbone(sd1)
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


def test_every_fault_is_one_line(folder: Path) -> None:
    toys.edit(folder / "text_encoder" / "config.json", num_attention_heads=5)
    with pytest.raises(VeditError) as fault:
        load_backbone(folder)
    assert "\n" not in str(fault.value)
