"""Tiny but real models: the folders and files that Stable Diffusion's many publishers ship, a few megabytes each.

Same classes, block kinds, configs and key names as the real ones; only the widths are small and the weights random.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, ControlNetModel, MotionAdapter, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel

DATA = Path(__file__).parents[1] / "data"
TEXT_WIDTH = 12
TOKENS = 20
"""The toys' prompt length: not 77, so that code which assumes CLIP's own is caught."""
MERGES = ("r e", "re d</w>", "c a", "ca t</w>", "o n</w>")


def vocabulary() -> dict[str, int]:
    """CLIP's kind of vocabulary: every byte, every byte that ends a word, a few merges, the start and the end."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    letters = list(bytes_to_unicode().values())
    merged = ["".join(merge.split()) for merge in MERGES]
    words = [*letters, *(f"{letter}</w>" for letter in letters), *merged, "<|startoftext|>", "<|endoftext|>"]
    return {word: index for index, word in enumerate(words)}


def save_tokenizer(folder: Path, pad: str = "<|endoftext|>") -> int:
    """A CLIP tokenizer in the files SD 1.5 ships; returns the size of its vocabulary."""
    folder.mkdir(parents=True)
    vocab = vocabulary()
    (folder / "vocab.json").write_text(json.dumps(vocab))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *MERGES]) + "\n")
    special = {
        "bos_token": "<|startoftext|>",
        "eos_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>",
        "pad_token": pad,
    }
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": TOKENS, "do_lower_case": True, **special}
    (folder / "special_tokens_map.json").write_text(json.dumps(special))
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return len(vocab)


def unet_config(levels: int = 4, linear: bool = False, width: int = 16, layers: int = 2) -> dict[str, Any]:
    """The UNet's settings with SD 1.5's layout, or SD 2.1's (``linear``): its heads grow with the width instead."""
    widths = [width * step for step in (1, 2, 4, 4)[:levels]]
    return {
        "sample_size": 8,
        "in_channels": 4,
        "out_channels": 4,
        "center_input_sample": False,
        "flip_sin_to_cos": True,
        "freq_shift": 0,
        "down_block_types": ["CrossAttnDownBlock2D"] * (levels - 1) + ["DownBlock2D"],
        "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * (levels - 1),
        "block_out_channels": widths,
        "layers_per_block": layers,
        "downsample_padding": 1,
        "mid_block_scale_factor": 1,
        "act_fn": "silu",
        "norm_num_groups": 4,
        "norm_eps": 1e-5,
        "cross_attention_dim": TEXT_WIDTH,
        "attention_head_dim": [each // 8 for each in widths] if linear else 8,
        "use_linear_projection": linear,
    }


def scheduler_config(prediction: str = "epsilon") -> dict[str, Any]:
    """SD 1.5's scheduler file (PNDM), or the one of SD 2.1 768-v (DDIM)."""
    common = {
        "_diffusers_version": "0.8.0",
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "beta_start": 0.00085,
        "num_train_timesteps": 1000,
        "set_alpha_to_one": False,
        "steps_offset": 1,
        "trained_betas": None,
        "clip_sample": False,
    }
    if prediction == "epsilon":  # as in SD 1.5's file, which is older than the field
        return {"_class_name": "PNDMScheduler", "skip_prk_steps": True, **common}
    return {"_class_name": "DDIMScheduler", "prediction_type": prediction, **common}


def sd_folder(
    path: Path,
    *,
    prediction: str = "epsilon",
    levels: int = 4,
    linear: bool = False,
    width: int = 16,
    layers: int = 2,
    seed: int = 0,
    variant: str | None = None,
    safetensors: bool = True,
    unet: Mapping[str, Any] | None = None,
) -> Path:
    """Save a whole model in diffusers' layout: SD 1.5's kind, or SD 2.1's with ``linear``; returns its path.

    ``unet`` overrides settings of the UNet. The VAE halves the side three times whatever ``levels`` is, as SD's does.
    """
    torch.manual_seed(seed)
    network = UNet2DConditionModel(**{**unet_config(levels, linear, width, layers), **(unet or {})})
    vae = AutoencoderKL(
        block_out_channels=(8, 8, 16, 16),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        layers_per_block=layers,
        norm_num_groups=4,
        sample_size=64,
    )
    size = save_tokenizer(path / "tokenizer", pad="!" if linear else "<|endoftext|>")
    text_encoder = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=size,
            hidden_size=TEXT_WIDTH,
            intermediate_size=2 * TEXT_WIDTH,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=TOKENS,
            hidden_act="gelu" if linear else "quick_gelu",
            bos_token_id=size - 2,
            eos_token_id=size - 1,
            pad_token_id=size - 1,
        )
    )
    network.save_pretrained(path / "unet", variant=variant, safe_serialization=safetensors)
    vae.save_pretrained(path / "vae", variant=variant, safe_serialization=safetensors)
    _save_text_encoder(text_encoder, path / "text_encoder", variant, safetensors)
    (path / "scheduler").mkdir()
    (path / "scheduler" / "scheduler_config.json").write_text(json.dumps(scheduler_config(prediction), indent=2))
    index = {
        "_class_name": "StableDiffusionPipeline",
        "_diffusers_version": "0.6.0",
        "feature_extractor": ["transformers", "CLIPImageProcessor"],
        "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
        "scheduler": ["diffusers", "PNDMScheduler" if prediction == "epsilon" else "DDIMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    (path / "model_index.json").write_text(json.dumps(index, indent=2))
    return path


def _save_text_encoder(model: CLIPTextModel, folder: Path, variant: str | None, safetensors: bool) -> None:
    """Under the names that every published text encoder has: "text_model." and a buffer of positions."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"architectures": ["CLIPTextModel"], **model.config.to_diff_dict()}))
    tensors = {f"text_model.{name}": tensor.clone() for name, tensor in model.state_dict().items()}
    tensors["text_model.embeddings.position_ids"] = torch.arange(TOKENS)[None]
    mark = f".{variant}" if variant else ""
    if safetensors:
        save_file(tensors, folder / f"model{mark}.safetensors", {"format": "pt"})
    else:
        torch.save(tensors, folder / f"pytorch_model{mark}.bin")


def tune_a_video_folder(path: Path, base: Path, which: str = "sd1", safetensors: bool = False) -> Path:
    """A pipeline as Tune-A-Video saves it: the fixture's UNet (weights of the original code) among ``base``'s parts."""
    shutil.copytree(base, path, ignore=shutil.ignore_patterns("unet"))
    facts = json.loads((DATA / "tune_a_video.json").read_text())["unets"][which]
    index = json.loads((path / "model_index.json").read_text())
    (path / "model_index.json").write_text(json.dumps({**index, "_class_name": "TuneAVideoPipeline"}))
    weights = tune_a_video_weights(which)
    (path / "unet").mkdir()
    (path / "unet" / "config.json").write_text(json.dumps(facts["config"]))
    if safetensors:
        save_file(weights, path / "unet" / "diffusion_pytorch_model.safetensors", {"format": "pt"})
    else:
        torch.save(weights, path / "unet" / "diffusion_pytorch_model.bin")
    return path


def tune_a_video_weights(which: str = "sd1") -> dict[str, Tensor]:
    """The fixture's UNet, under the original's names."""
    prefix = f"{which}.unet."
    stored = load_file(DATA / "tune_a_video.safetensors")
    return {name.removeprefix(prefix): tensor for name, tensor in stored.items() if name.startswith(prefix)}


def motion_adapter(folder: Path, version: int = 2, seed: int = 0) -> MotionAdapter:
    """Motion modules for ``folder``'s UNet. Version 1 knows 24 frames; 2 knows 32 and has modules in the middle."""
    unet = json.loads((folder / "unet" / "config.json").read_text())
    torch.manual_seed(seed)
    adapter = MotionAdapter(
        block_out_channels=tuple(unet["block_out_channels"]),
        motion_layers_per_block=unet["layers_per_block"],
        motion_num_attention_heads=8,
        motion_norm_num_groups=32,
        motion_max_seq_length=24 if version == 1 else 32,
        use_motion_mid_block=version == 2,
    )
    for name, tensor in adapter.named_parameters():
        if ".proj_out." in name:  # zero at the start of training, which would hide them
            torch.nn.init.normal_(tensor, std=0.1)
    return adapter


def controlnet_folder(unet: UNet2DConditionModel, folder: Path, vae_scale_factor: int, channels: int = 3) -> Path:
    """A ControlNet made for a UNet, far from silent, in a folder; pictures, of so many ``channels``, are
    ``vae_scale_factor`` times as large as the latents."""
    torch.manual_seed(0)
    widths = (4, 8, 16, 16)[-vae_scale_factor.bit_length() :]
    net = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=widths, conditioning_channels=channels)
    for block in (*net.controlnet_down_blocks, net.controlnet_mid_block):
        torch.nn.init.normal_(block.weight, std=0.05)
    torch.nn.init.normal_(net.controlnet_cond_embedding.conv_out.weight, std=0.05)
    net.save_pretrained(folder)
    return folder


def original_motion(adapter: MotionAdapter) -> dict[str, Tensor]:
    """The modules under the names of AnimateDiff's own files."""
    names = {
        ".norm1.": ".norms.0.",
        ".norm2.": ".norms.1.",
        ".norm3.": ".ff_norm.",
        ".attn1.": ".attention_blocks.0.",
        ".attn2.": ".attention_blocks.1.",
    }
    tensors = {}
    for name, tensor in adapter.state_dict().items():
        head, module, tail = name.partition(".motion_modules.")
        number, _, rest = tail.partition(".")
        rest = "." + rest
        if rest.endswith(".pos_embed.pe"):  # the original has one copy in each attention
            place = rest.removesuffix("pos_embed.pe")
            for attention in (0, 1):
                long = f"{place}attention_blocks.{attention}.pos_encoder.pe"
                tensors[f"{head}{module}{number}.temporal_transformer{long}"] = tensor.clone()
            continue
        for new, old in names.items():
            rest = rest.replace(new, old)
        tensors[f"{head}{module}{number}.temporal_transformer{rest}"] = tensor.clone()
    return tensors


def original_file(folder: Path, file: Path) -> Path:
    """``folder``'s model as one .safetensors file under the original code's names (CompVis, Stability); its path."""
    unet = _read(folder / "unet")
    vae = _read(folder / "vae")
    text = {name.removeprefix("text_model."): tensor for name, tensor in _read(folder / "text_encoder").items()}
    config = json.loads((folder / "unet" / "config.json").read_text())
    tensors = {f"model.diffusion_model.{name}": each for name, each in _original_unet(unet, config).items()}
    tensors |= {f"first_stage_model.{name}": each for name, each in _original_vae(vae).items()}
    if config["use_linear_projection"]:
        tensors |= {f"cond_stage_model.model.{name}": each for name, each in _open_clip(text).items()}
    else:
        tensors |= {f"cond_stage_model.transformer.text_model.{name}": each for name, each in text.items()}
    tensors["betas"] = torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    tensors["model_ema.decay"] = torch.tensor(0.9999)
    save_file({name: each.contiguous() for name, each in tensors.items()}, file)
    return file


def _read(folder: Path) -> dict[str, Tensor]:
    return load_file(next(folder.glob("*.safetensors")))


def _renamed(name: str, table: Mapping[str, str]) -> str:
    for new, old in table.items():
        name = name.replace(new, old)
    return name


_RESNET = {
    "norm1.": "in_layers.0.",
    "conv1.": "in_layers.2.",
    "norm2.": "out_layers.0.",
    "conv2.": "out_layers.3.",
    "time_emb_proj.": "emb_layers.1.",
    "conv_shortcut.": "skip_connection.",
}
_UNET_ENDS = {
    "time_embedding.linear_1.": "time_embed.0.",
    "time_embedding.linear_2.": "time_embed.2.",
    "conv_in.": "input_blocks.0.0.",
    "conv_norm_out.": "out.0.",
    "conv_out.": "out.2.",
}


def _original_unet(tensors: Mapping[str, Tensor], config: Mapping[str, Any]) -> dict[str, Tensor]:
    layers, levels = config["layers_per_block"], len(config["block_out_channels"])
    table = {"mid_block.attentions.0.": "middle_block.1."}
    table |= {f"mid_block.resnets.{index}.": f"middle_block.{2 * index}." for index in (0, 1)}
    for level in range(levels):
        first = level * (layers + 1) + 1
        for layer in range(layers):
            table[f"down_blocks.{level}.resnets.{layer}."] = f"input_blocks.{first + layer}.0."
            table[f"down_blocks.{level}.attentions.{layer}."] = f"input_blocks.{first + layer}.1."
        table[f"down_blocks.{level}.downsamplers.0.conv."] = f"input_blocks.{first + layers}.0.op."
        for layer in range(layers + 1):
            number = level * (layers + 1) + layer
            table[f"up_blocks.{level}.resnets.{layer}."] = f"output_blocks.{number}.0."
            table[f"up_blocks.{level}.attentions.{layer}."] = f"output_blocks.{number}.1."
        # the first level up has no attention, so its upsampler comes second
        table[f"up_blocks.{level}.upsamplers.0."] = (
            f"output_blocks.{(level + 1) * (layers + 1) - 1}.{2 if level else 1}."
        )
    original = {}
    for name, tensor in tensors.items():
        if ".resnets." in name:
            place, _, rest = name.partition(".resnets.")
            number, _, rest = rest.partition(".")
            name = f"{place}.resnets.{number}.{_renamed(rest, _RESNET)}"
        original[_renamed(name, table) if "blocks." in name or "mid_block." in name else _renamed(name, _UNET_ENDS)] = (
            tensor
        )
    return original


def _original_vae(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    levels = 1 + max(int(name.split(".")[2]) for name in tensors if name.startswith("encoder.down_blocks."))
    table = {"mid_block.attentions.0.": "mid.attn_1.", "conv_shortcut.": "nin_shortcut.", "conv_norm_out.": "norm_out."}
    table |= {f"mid_block.resnets.{index}.": f"mid.block_{index + 1}." for index in (0, 1)}
    for level in range(levels):
        table[f"down_blocks.{level}.resnets."] = f"down.{level}.block."
        table[f"down_blocks.{level}.downsamplers.0."] = f"down.{level}.downsample."
        table[f"up_blocks.{level}.resnets."] = f"up.{levels - 1 - level}.block."
        table[f"up_blocks.{level}.upsamplers.0."] = f"up.{levels - 1 - level}.upsample."
    attention = {"group_norm.": "norm.", "to_q.": "q.", "to_k.": "k.", "to_v.": "v.", "to_out.0.": "proj_out."}
    original = {}
    for name, tensor in tensors.items():
        place = _renamed(name, table)
        if "attn_1." in place:
            place = _renamed(place, attention)
            tensor = tensor[..., None, None] if tensor.ndim == 2 else tensor  # the original's are 1 x 1 convolutions
        original[place] = tensor
    return original


def _open_clip(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    table = {
        "embeddings.position_embedding.weight": "positional_embedding",
        "embeddings.token_embedding.": "token_embedding.",
        "final_layer_norm.": "ln_final.",
        "encoder.layers.": "transformer.resblocks.",
        "layer_norm1.": "ln_1.",
        "layer_norm2.": "ln_2.",
        "self_attn.out_proj.": "attn.out_proj.",
        "mlp.fc1.": "mlp.c_fc.",
        "mlp.fc2.": "mlp.c_proj.",
    }
    original = {}
    for name, tensor in tensors.items():
        if name.endswith("position_ids") or ".k_proj." in name or ".v_proj." in name:
            continue
        if ".q_proj." in name:
            joined = torch.cat([tensors[name.replace("q_proj", each)] for each in ("q_proj", "k_proj", "v_proj")])
            place, _, kind = name.partition(".self_attn.q_proj.")
            original[f"{_renamed(place + '.', table)}attn.in_proj_{kind}"] = joined
        else:
            original[_renamed(name, table)] = tensor
    original["text_projection"] = torch.eye(TEXT_WIDTH)
    original["logit_scale"] = torch.tensor(4.6)
    return original


PARTS = ("unet", "vae", "text_encoder")


def same(one: Any, other: Any) -> bool:
    """Whether two models or pipelines have the same weights, to the bit."""

    def tensors(model: Any) -> dict[str, Tensor]:
        return {f"{part}.{name}": each for part in PARTS for name, each in getattr(model, part).state_dict().items()}

    first, second = tensors(one), tensors(other)
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def edit(path: Path, **changes: Any) -> None:
    """Change entries of a JSON file."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
