"""Loading: every published form of a model gives the same weights, and everything else one clear line."""

from __future__ import annotations

import json
import logging
import os
import pickle
import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import init_empty_weights
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from diffusers.loaders import StableDiffusionLoraLoaderMixin
from huggingface_hub import constants
from peft import LoraConfig, get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel

from tests.backbone import toys
from vedit.backbone import sources
from vedit.backbone.loading import choose_device, choose_dtype, load_backbone, read_motion, read_parts
from vedit.backbone.lora import read_lora
from vedit.errors import DeviceError, VeditError, WeightsError

PARTS = ("unet", "vae", "text_encoder")


@pytest.fixture
def folder(tmp_path: Path, sd1: Path) -> Path:
    """A copy of the SD 1.5 toy, to be spoilt."""
    return Path(shutil.copytree(sd1, tmp_path / "model"))


def same(one: Any, other: Any) -> bool:
    def tensors(model: Any) -> dict[str, Tensor]:
        return {f"{part}.{name}": each for part in PARTS for name, each in getattr(model, part).state_dict().items()}

    first, second = tensors(one), tensors(other)
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


# The forms a model comes in


@pytest.mark.parametrize("which", ["sd1", "sd2"])
def test_a_folder_gives_what_diffusers_gives(which: str, request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue(which)
    ours = load_backbone(path)
    theirs = StableDiffusionPipeline.from_pretrained(path, safety_checker=None, feature_extractor=None)
    assert same(ours, theirs)
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
    assert same(load_backbone(file), read_parts(path))
    torch.save({"state_dict": load_file(file), "global_step": 470000}, tmp_path / "model.ckpt")
    assert same(load_backbone(tmp_path / "model.ckpt"), read_parts(path))


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
    assert same(read_parts(toys.sd_folder(tmp_path / "bin", safetensors=False)), reference)
    assert same(read_parts(toys.sd_folder(tmp_path / "fp16", variant="fp16")), reference)
    split = Path(shutil.copytree(sd1, tmp_path / "split"))
    (split / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    reference.unet.save_pretrained(split / "unet", max_shard_size="1MB")
    assert len(list((split / "unet").glob("*.safetensors"))) > 1
    assert same(read_parts(split), reference)


def test_safetensors_go_before_pickles_and_full_precision_before_half() -> None:
    stem = "unet/diffusion_pytorch_model"
    names = [f"{stem}.bin", f"{stem}.fp16.safetensors", f"{stem}.non_ema.safetensors", f"{stem}.safetensors"]
    assert sources.weight_files(names, "unet") == [f"{stem}.safetensors"]
    assert sources.weight_files(names[:3], "unet") == [f"{stem}.fp16.safetensors"]
    assert sources.weight_files(names[:1], "unet") == [f"{stem}.bin"]
    assert sources.weight_files([f"{stem}-00001-of-00002.safetensors"], "unet") == []


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
    assert same(read_parts(folder), expected)


@pytest.mark.parametrize("which", ["sd1", "sd2"])
@pytest.mark.parametrize("safetensors", [False, True])
def test_tune_a_video_pipelines(which: str, safetensors: bool, tmp_path: Path, sd1: Path) -> None:
    backbone = load_backbone(toys.tune_a_video_folder(tmp_path / "tuned", sd1, which, safetensors))
    weights = toys.tune_a_video_weights(which)
    assert backbone.unet.state_dict().keys() == weights.keys()
    assert all(torch.equal(backbone.unet.state_dict()[name], tensor) for name, tensor in weights.items())
    assert backbone.default_attention == "sparse_causal"
    assert backbone.has_temporal
    assert backbone.has_clip_wide_norm


def test_plain_models_attend_per_frame(sd1: Path) -> None:
    backbone = load_backbone(sd1)
    assert backbone.default_attention == "per_frame"
    assert not backbone.has_temporal
    assert not backbone.has_clip_wide_norm


# Motion modules


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model wide enough for AnimateDiff's 32 groups."""
    return toys.sd_folder(tmp_path_factory.mktemp("models") / "wide", width=32, layers=1, levels=2)


@pytest.mark.parametrize("version", [1, 2])
def test_motion_modules_from_a_folder_and_from_their_own_file(version: int, tmp_path: Path, wide: Path) -> None:
    adapter = toys.motion_adapter(wide, version)
    adapter.save_pretrained(tmp_path / "motion")
    save_file(toys.original_motion(adapter), tmp_path / "mm.safetensors")
    prefixed = {f"module.{name}": tensor for name, tensor in toys.original_motion(adapter).items()}
    torch.save({"epoch": 1, "state_dict": prefixed}, tmp_path / "mm.ckpt")
    for name in ("motion", "mm.safetensors", "mm.ckpt"):
        modules, _ = read_motion(tmp_path / name)
        for field in ("use_motion_mid_block", "motion_max_seq_length", "motion_layers_per_block"):
            assert modules.config[field] == adapter.config[field]
        assert modules.state_dict().keys() == adapter.state_dict().keys()
        assert all(torch.equal(modules.state_dict()[key], tensor) for key, tensor in adapter.state_dict().items())


def test_motion_brings_its_schedule(tmp_path: Path, wide: Path) -> None:
    toys.motion_adapter(wide).save_pretrained(tmp_path / "motion")
    plain, moving = load_backbone(wide), load_backbone(wide, motion=tmp_path / "motion")
    assert (plain.scheduler_config["beta_schedule"], moving.scheduler_config["beta_schedule"]) == (
        "scaled_linear",
        "linear",
    )
    assert moving.scheduler_config["clip_sample"] is False
    assert plain.fingerprint != moving.fingerprint
    torch.manual_seed(0)
    x, text = torch.randn(1, 3, 4, 8, 8), torch.randn(1, toys.TOKENS, toys.TEXT_WIDTH)
    assert not torch.allclose(plain.predict(x, 500, text), moving.predict(x, 500, text), atol=1e-3)


def test_motion_for_another_width(tmp_path: Path, wide: Path, sd1: Path) -> None:
    toys.motion_adapter(wide).save_pretrained(tmp_path / "motion")
    with pytest.raises(WeightsError, match="channels"):
        load_backbone(sd1, motion=tmp_path / "motion")


# LoRAs


def lora(parts: Any, rank: int = 2, alpha: float = 4.0) -> dict[str, Tensor]:
    """A LoRA on the attentions of both networks, and on a convolution, in peft's naming; made by peft."""
    torch.manual_seed(1)
    tensors = {}
    targets = {"unet": ["to_q", "to_out.0", "conv1", "proj_in"], "text_encoder": ["q_proj", "out_proj"]}
    for part, names in targets.items():
        module = getattr(parts, part)
        module.add_adapter(LoraConfig(r=rank, lora_alpha=alpha, target_modules=names, init_lora_weights=False))
        state = get_peft_model_state_dict(module, adapter_name="default")
        prefix = f"{part}." if part == "unet" else f"{part}.text_model."
        tensors |= {prefix + name: tensor.detach().clone() for name, tensor in state.items()}
    return tensors


def kohya(tensors: dict[str, Tensor], alpha: float) -> dict[str, Tensor]:
    """The same in kohya's naming, with its alphas."""
    renamed = {}
    for name, tensor in tensors.items():
        layer, _, side = name.partition(".lora_")
        flat = layer.replace("text_encoder.", "lora_te.").replace("unet.", "lora_unet.").replace(".", "_")
        renamed[f"{flat}.lora_{'down' if side.startswith('A') else 'up'}.weight"] = tensor
        renamed[f"{flat}.alpha"] = torch.tensor(alpha)
    return renamed


def early(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The attention layers of the UNet in diffusers' first naming, which had no alpha and no prefix."""
    table = {".lora_A": "_lora.down", ".lora_B": "_lora.up", ".to_out.0": ".to_out", ".to_": ".processor.to_"}
    renamed = {}
    for name, tensor in tensors.items():
        if name.startswith("unet.") and ".to_" in name:
            for new, old in table.items():
                name = name.replace(new, old)
            renamed[name.removeprefix("unet.")] = tensor
    return renamed


@pytest.mark.parametrize("naming", ["peft", "kohya"])
def test_a_lora_changes_what_diffusers_changes(naming: str, tmp_path: Path, sd1: Path) -> None:
    made = lora(read_parts(sd1))
    file = tmp_path / "style.safetensors"
    if naming == "kohya":
        save_file(kohya(made, alpha=4.0), file)
    else:
        settings = {f"{part}.{key}": value for part in ("unet", "text_encoder") for key, value in
                    {"r": 2, "lora_alpha": 4.0, "target_modules": []}.items()}  # fmt: skip
        save_file(made, file, {"lora_adapter_metadata": json.dumps(settings)})
    theirs = StableDiffusionPipeline.from_pretrained(sd1, safety_checker=None, feature_extractor=None)
    state, alphas = StableDiffusionLoraLoaderMixin.lora_state_dict(kohya(made, alpha=4.0))
    theirs.load_lora_into_unet(state, alphas, theirs.unet)
    theirs.load_lora_into_text_encoder(state, alphas, theirs.text_encoder)
    theirs.fuse_lora(lora_scale=0.5)
    ours, plain = load_backbone(sd1, loras=[f"{file}:0.5"]), load_backbone(sd1)
    for part in ("unet", "text_encoder"):
        own, before = getattr(ours, part).state_dict(), getattr(plain, part).state_dict()
        fused = {name.replace(".base_layer", ""): each for name, each in getattr(theirs, part).state_dict().items()}
        assert own.keys() == before.keys()
        for name, tensor in own.items():
            torch.testing.assert_close(tensor, fused[name], atol=1e-6, rtol=1e-5)
        assert sum(not torch.equal(own[name], before[name]) for name in own) > 3
    assert ours.fingerprint != plain.fingerprint
    assert ours.fingerprint != load_backbone(sd1, loras=[(str(file), 0.25)]).fingerprint


def test_diffusers_first_lora_naming(tmp_path: Path, sd1: Path) -> None:
    made = lora(read_parts(sd1))
    save_file(early(made), tmp_path / "pytorch_lora_weights.safetensors")
    with_files = load_backbone(sd1, loras=[str(tmp_path)])
    parts = read_parts(sd1)
    name = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0"
    change = made[f"unet.{name}.lora_B.weight"] @ made[f"unet.{name}.lora_A.weight"]
    expected = parts.unet.get_submodule(name).weight + change
    torch.testing.assert_close(with_files.unet.get_submodule(name).weight, expected.detach())


def numbered(parts: Any) -> tuple[dict[str, Tensor], dict[str, nn.Linear]]:
    """A LoRA in cloneofsimo's naming: layers by their number, walked as that trainer walked; and where each goes."""
    torch.manual_seed(2)
    layers: dict[str, nn.Linear] = {}
    blocks = [name for name, each in parts.unet.named_modules() if name.endswith("transformer_blocks.0")]
    for block in [*(b for b in blocks if "mid" not in b), *(b for b in blocks if "mid" in b)]:
        attentions = [[f"{a}.{to}" for to in ("to_q", "to_k", "to_v", "to_out.0")] for a in ("attn1", "attn2")]
        for layer in [*attentions[0], "ff.net.0.proj", *attentions[1]]:
            layers[f"unet:{len(layers)}"] = parts.unet.get_submodule(f"{block}.{layer}")
    count = 0
    for index in range(parts.text_encoder.config.num_hidden_layers):
        for to in ("k_proj", "v_proj", "q_proj", "out_proj"):
            layers[f"text_encoder:{count}"] = parts.text_encoder.get_submodule(f"encoder.layers.{index}.self_attn.{to}")
            count += 1
    tensors = {}
    for name, layer in layers.items():
        tensors[f"{name}:down"] = torch.randn(1, layer.in_features)
        tensors[f"{name}:up"] = torch.randn(layer.out_features, 1)
    return tensors, layers


def test_a_numbered_lora_with_its_own_words(tmp_path: Path, sd1: Path) -> None:
    parts = read_parts(sd1)
    tensors, layers = numbered(parts)
    word = torch.randn(toys.TEXT_WIDTH)
    save_file({**tensors, "<s1>": word}, tmp_path / "style.safetensors", {"<s1>": "<embed>"})
    read, tokens = read_lora(tmp_path / "style.safetensors", parts.unet, parts.text_encoder)
    placed = {id(layer.module): layer for layer in read}
    assert len(placed) == len(layers)
    for name, layer in layers.items():
        assert torch.equal(placed[id(layer)].up, tensors[f"{name}:up"])
    assert list(tokens) == ["<s1>"]
    backbone = load_backbone(sd1, loras=[str(tmp_path / "style.safetensors")])
    (index,) = backbone.tokenizer("<s1>", add_special_tokens=False).input_ids
    assert torch.equal(backbone.text_encoder.get_input_embeddings().weight[index], word)
    assert backbone.embed(["red <s1>"]).isfinite().all()
    with pytest.raises(WeightsError, match="in the vocabulary already"):
        load_backbone(sd1, loras=[str(tmp_path / "style.safetensors")] * 2)


def test_loras_that_do_not_fit(tmp_path: Path, sd1: Path) -> None:
    parts = read_parts(sd1)
    name = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    file = tmp_path / "style.safetensors"
    pair = {f"{name}.lora_A.weight": torch.zeros(2, 320), f"{name}.lora_B.weight": torch.zeros(320, 2)}
    cases = {
        "does not fit.*320 x 320.*16 x 16": pair,
        "a layer this model does not have": {key.replace("unet", "lora_te2"): each for key, each in pair.items()},
        "no LoRA kind known": {"lora_unet_mid_block_attentions_0_proj_in.hada_w1_a": torch.zeros(2, 2)},
    }
    for line, tensors in cases.items():
        save_file(tensors, file)
        with pytest.raises(WeightsError, match=line):
            read_lora(file, parts.unet, parts.text_encoder)
    with pytest.raises(WeightsError, match="is no file"):
        load_backbone(sd1, loras=["missing.safetensors:0.8"])


@pytest.mark.assets
@pytest.mark.parametrize(("name", "words"), [("analog_svd_rank4", []), ("lora_disney", ["<s1>", "<s2>"])])
def test_published_loras_fit_stable_diffusion_15(name: str, words: list[str]) -> None:
    file = Path(os.environ.get("VEDIT_ASSETS", "")) / "weights" / "lora" / f"{name}.safetensors"
    if not file.is_file():
        pytest.skip("VEDIT_ASSETS does not name a folder with these LoRAs")
    with init_empty_weights():
        unet = UNet2DConditionModel(cross_attention_dim=768)
        clip = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "num_hidden_layers": 12}
        text_encoder = CLIPTextModel(CLIPTextConfig(vocab_size=49408, **clip))
    layers, tokens = read_lora(file, unet, text_encoder)
    assert len({id(layer.module) for layer in layers}) == 144 + 48
    assert list(tokens) == words


# Faults, each one line


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


@pytest.mark.parametrize("part", PARTS)
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
    edit(folder / "unet" / "config.json", cross_attention_dim=16)
    with pytest.raises(WeightsError, match=r"do not fit.*its config asks for"):
        load_backbone(folder)


def test_other_families_are_refused(folder: Path) -> None:
    config = folder / "unet" / "config.json"
    plain = config.read_text()
    cases = [
        ("in_channels", 9, "9 channels"),
        ("addition_embed_type", "text_time", "addition_embed_type"),
        ("_class_name", "UNetMotionModel", "--motion"),
        ("_class_name", "UNet3DConditionModel", "not Tune-A-Video"),
        ("down_block_types", ["KDownBlock2D"] * 4, "KDownBlock2D"),
        ("norm_num_groups", 7, "cannot be built"),
    ]
    for field, value, line in cases:
        edit(config, **{field: value})
        with pytest.raises(WeightsError, match=line):
            load_backbone(folder)
        config.write_text(plain)
    edit(folder / "scheduler" / "scheduler_config.json", prediction_type="sample")
    with pytest.raises(WeightsError, match="predicts 'sample'"):
        load_backbone(folder)
    index = {
        "_class_name": "StableDiffusionXLPipeline",
        "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
    }
    edit(folder / "model_index.json", **index)
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


# The hub, without a network


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache, and no way out."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def cache(hub: Path, repo: str, folder: Path, ignore: str = "") -> Path:
    """Put a folder into the hub's cache, as if it had been fetched."""
    place = hub / f"models--{repo.replace('/', '--')}"
    commit = "0" * 40
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text(commit)
    return Path(shutil.copytree(folder, place / "snapshots" / commit, ignore=shutil.ignore_patterns(ignore)))


def test_the_hubs_cache_is_used_offline(hub: Path, sd1: Path) -> None:
    with pytest.raises(WeightsError, match="not in the local cache"):
        load_backbone("someone/model")
    cache(hub, "someone/model", sd1)
    cache(hub, sources.HUB_NAMES["sd15"], sd1)
    assert same(load_backbone("someone/model"), read_parts(sd1))
    assert same(load_backbone("sd15"), read_parts(sd1))


def test_a_cache_that_says_it_lacks_other_files_is_used(hub: Path, sd1: Path) -> None:
    """The hub's library calls a snapshot without the safety checker incomplete; it is all that is read here."""
    cache(hub, "someone/model", sd1)
    trees = hub / "models--someone--model" / "trees"
    trees.mkdir()
    from huggingface_hub._snapshot_download import TreeCacheEntry, write_tree_cache

    entry = TreeCacheEntry(size=1, blob_id="0", lfs_sha256=None, lfs_size=None, xet_hash=None)
    write_tree_cache(str(trees.parent), "0" * 40, {"safety_checker/model.safetensors": entry})
    assert same(load_backbone("someone/model"), read_parts(sd1))


def test_an_unfinished_fetch_is_not_used(hub: Path, sd1: Path) -> None:
    snapshot = cache(hub, "someone/model", sd1)
    (snapshot / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(WeightsError, match="not in the local cache"):
        load_backbone("someone/model")


def test_a_single_file_finds_its_configs_in_the_cache(hub: Path, tmp_path: Path, sd2: Path) -> None:
    file = toys.original_file(sd2, tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match=r"put a folder 'model' beside it.*sd2-community"):
        load_backbone(file)
    cache(hub, sources.HUB_NAMES["sd21"], sd2, ignore="*.safetensors")
    assert same(load_backbone(file), read_parts(sd2))
    assert read_parts(file).scheduler["prediction_type"] == "v_prediction"


def test_only_what_is_read_is_fetched(monkeypatch: pytest.MonkeyPatch, sd1: Path) -> None:
    asked: dict[str, list[str]] = {}
    published = [path.relative_to(sd1).as_posix() for path in sd1.glob("*/*")]
    published += ["unet/diffusion_pytorch_model.bin", "safety_checker/model.safetensors", "v1-5.ckpt"]

    def fetch(repo: str, local_files_only: bool = False, allow_patterns: list[str] | None = None) -> str:
        if local_files_only:
            raise ValueError("not cached")
        asked[repo] = allow_patterns or []
        return str(sd1)

    monkeypatch.setattr(sources, "list_repo_files", lambda _: published)
    monkeypatch.setattr(sources, "snapshot_download", fetch)
    assert same(load_backbone("someone/model"), read_parts(sd1))
    weights = [name for name in asked["someone/model"] if name.endswith((".safetensors", ".bin", ".ckpt"))]
    expected = ["diffusion_pytorch_model", "diffusion_pytorch_model", "model"]
    assert weights == [f"{part}/{stem}.safetensors" for part, stem in zip(PARTS, expected, strict=True)]


# Devices, numbers, fingerprints, quiet


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
    edit(folder / "text_encoder" / "config.json", num_attention_heads=5)
    with pytest.raises(VeditError) as fault:
        load_backbone(folder)
    assert "\n" not in str(fault.value)
