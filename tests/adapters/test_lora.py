"""LoRAs, in the namings that are published."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import init_empty_weights
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from diffusers.loaders import StableDiffusionLoraLoaderMixin
from peft import LoraConfig, get_peft_model_state_dict
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel

from tests.backbone import toys
from vedit.adapters.loading import load_backbone
from vedit.adapters.lora import read_lora
from vedit.backbone.loading import read_parts
from vedit.errors import WeightsError


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
        "has no matrices at": {**pair, f"{name}.lora_A.weight": torch.zeros(2)},
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
