"""Tiny but real IP-Adapters and image encoders, with random weights, in the files that publishers ship."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from tests.backbone.toys import TEXT_WIDTH

SIDE, PATCHES = 32, 17
"""Of the toy encoder's pictures, and how many states it has of one."""

POOLED, STATES = 24, 40
"""Widths of its embeddings and of its states."""


def encoder_folder(folder: Path, seed: int = 0) -> Path:
    """A CLIP's image tower."""
    torch.manual_seed(seed)
    config = CLIPVisionConfig(
        hidden_size=STATES, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4, image_size=SIDE,
        patch_size=8, projection_dim=POOLED, hidden_act="gelu",
    )  # fmt: skip
    CLIPVisionModelWithProjection(config).save_pretrained(folder)
    return folder


def projection(kind: str) -> dict[str, Tensor]:
    """The weights of an image projection under the original names; "plus" or "base" or "full-face"."""
    generator = torch.Generator().manual_seed(sum(map(ord, kind)))

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator) * shape[-1] ** -0.5

    def norm(name: str, width: int) -> dict[str, Tensor]:
        return {f"{name}.weight": 1 + 0.1 * random(width), f"{name}.bias": 0.1 * random(width)}

    if kind == "base":
        whole = {"proj.weight": random(4 * TEXT_WIDTH, POOLED), "proj.bias": random(4 * TEXT_WIDTH)}
        return {**whole, **norm("norm", TEXT_WIDTH)}
    if kind == "full-face":
        return {
            "proj.0.weight": random(STATES, STATES), "proj.0.bias": random(STATES),
            "proj.2.weight": random(TEXT_WIDTH, STATES), "proj.2.bias": random(TEXT_WIDTH),
            **norm("proj.3", TEXT_WIDTH),
        }  # fmt: skip
    width, inner = 20, 128
    found = {
        "latents": random(1, 6, width),
        "proj_in.weight": random(width, STATES), "proj_in.bias": random(width),
        "proj_out.weight": random(TEXT_WIDTH, width), "proj_out.bias": random(TEXT_WIDTH),
        **norm("norm_out", TEXT_WIDTH),
    }  # fmt: skip
    # diffusers reads four layers, as all published ones have.
    for layer in range(4):
        place = f"layers.{layer}"
        found |= norm(f"{place}.0.norm1", width) | norm(f"{place}.0.norm2", width) | norm(f"{place}.1.0", width)
        found |= {
            f"{place}.0.to_q.weight": random(inner, width), f"{place}.0.to_kv.weight": random(2 * inner, width),
            f"{place}.0.to_out.weight": random(width, inner),
            f"{place}.1.1.weight": random(4 * width, width), f"{place}.1.3.weight": random(width, 4 * width),
        }  # fmt: skip
    return found


def layers(unet: UNet2DConditionModel) -> dict[str, Tensor]:
    """The projections of each cross-attention layer, numbered as the original code does: down, up, middle."""
    generator = torch.Generator().manual_seed(5)
    found: dict[str, Tensor] = {}
    names = [name for name in unet.attn_processors if name.endswith("attn2.processor")]
    for index, name in enumerate(names):
        width = unet.get_submodule(name.removesuffix(".processor")).inner_dim  # type: ignore[operator]
        for side in "kv":
            found[f"{2 * index + 1}.to_{side}_ip.weight"] = torch.randn(width, TEXT_WIDTH, generator=generator) * 0.3
    return found


def original(unet: UNet2DConditionModel, kind: str) -> dict[str, dict[str, Tensor]]:
    """An IP-Adapter as the original code saves it, for a UNet without motion modules."""
    return {"image_proj": projection(kind), "ip_adapter": layers(unet)}


def save(adapter: dict[str, dict[str, Tensor]], path: Path) -> Path:
    """As .bin or as .safetensors; returns the path."""
    if path.suffix == ".bin":
        torch.save(adapter, path)
    else:
        save_file({f"{part}.{name}": each for part, held in adapter.items() for name, each in held.items()}, path)
    return path


def pictures(count: int, side: int = SIDE) -> list[Any]:
    """Pictures of noise, each another."""
    from PIL import Image

    generator = torch.Generator().manual_seed(3)
    made = torch.randint(0, 256, (count, side, side, 3), generator=generator, dtype=torch.uint8)
    return [Image.fromarray(each.numpy()) for each in made]
