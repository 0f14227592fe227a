"""LoRAs of every common trainer, added into the weights they were made for.

Fused, not left as layers of peft: the modules stay plain, so that attention kinds, tuning and adapters need not know
of them, and a LoRA that does not fit cannot pass in silence.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from vedit.adapters.base import Attachable, Undo, replace_parameters, undone_on_error
from vedit.backbone.checkpoints import read_header, read_safetensors, read_tensors
from vedit.backbone.model import Backbone
from vedit.backbone.model_files import reading_weights
from vedit.backbone.schemas import Schema, fault
from vedit.config.lora import LoraSpec
from vedit.config.paths import expand_home
from vedit.errors import WeightsError
from vedit.files import json_object

STRONGEST = 100.0
"""Most that a LoRA may be scaled by, and its alpha be for each of its ranks; 1 is as it was trained."""

MOST_TOKENS = 1000
"""Words that a LoRA may teach."""

TOKEN_PREFIX = "lora_token."
"""Begins the name of a word's embedding, where a file is to be read by those who take what has no "lora" in its name
for another kind."""

_LAYER = re.compile(r"[\w.]{1,300}")


class Peft(Schema):
    """What peft wrote of one part of a model. A pattern is a layer's name, or the end of it."""

    lora_alpha: float | None = None
    alpha_pattern: dict[str, float] | None = None
    use_rslora: bool | None = None


@dataclass(frozen=True)
class Lora(Attachable):
    """A LoRA's file, and how strongly it counts: 1 is as it was trained."""

    path: Path
    scale: float = 1.0

    @classmethod
    @reading_weights()
    def of(cls, given: LoraSpec | str | tuple[str, float]) -> Lora:
        """Of a file, or of what names it. Raises WeightsError when there is no file."""
        spec = LoraSpec.of(given)
        if not abs(spec.scale) <= STRONGEST:
            raise WeightsError(
                f"the LoRA '{spec.file}' has the scale {spec.scale:g}; expected -{STRONGEST:g} to {STRONGEST:g}."
            )
        path = expand_home(spec.file)
        path = path / "pytorch_lora_weights.safetensors" if path.is_dir() else path
        if not path.is_file():
            raise WeightsError(
                f"the LoRA '{path}' is no file; expected file.safetensors, or file.safetensors:0.8 for a scale."
            )
        return cls(path, spec.scale)

    @property
    def remark(self) -> str:
        """What of it, beside its file, tells the model with it from others."""
        return f"lora {self.scale:g}"

    @reading_weights()
    def words(self) -> list[str]:
        """The words that it teaches; mostly none. Raises WeightsError where the file is damaged."""
        header = read_header(self.path)
        return [name.removeprefix(TOKEN_PREFIX) for name, kind in header.items() if kind == "<embed>"]

    @reading_weights()
    @torch.no_grad()
    def put_on(self, backbone: Backbone) -> Undo:
        """Add the LoRA to the layers it was made for, and its tokens to the vocabulary. Raises WeightsError."""
        unet, text_encoder, path = backbone.unet, backbone.text_encoder, self.path
        layers, tokens = read_lora(path, unet, text_encoder)
        fused = {}
        for layer in layers:
            weight = layer.module.weight
            # float32, whatever the model's numbers: half precision would round a small change away before it is summed
            change = (layer.up @ layer.down).to(weight.device).reshape(weight.shape) * (self.scale * layer.scale)
            fused[layer.module] = weight.float() + change
            if not bool(torch.isfinite(fused[layer.module]).all()):
                raise WeightsError(
                    f"'{path.name}' makes weights of infinity: it is damaged, or its scale is too large."
                )
        undo_each, identity = [teach_tokens(backbone, tokens)], backbone.identity

        def undo() -> None:
            backbone.identity = identity
            for undo_one in reversed(undo_each):
                undo_one()

        with undone_on_error(undo):
            for module, weight in fused.items():
                undo_each.append(replace_parameters(module, {"weight": weight}))
            backbone.identity = identity.also([path], self.remark)
        return undo


@torch.no_grad()
def teach_tokens(backbone: Backbone, tokens: Mapping[str, Tensor]) -> Undo:
    """Add words with their embeddings (width,) to a vocabulary. Raises WeightsError for one taken or misfit."""
    if not tokens:
        return lambda: None
    text_encoder, tokenizer = backbone.text_encoder, backbone.tokenizer
    table, rows = text_encoder.get_input_embeddings(), text_encoder.config.vocab_size

    def forget() -> None:
        backbone.tokenizer = tokenizer
        text_encoder.set_input_embeddings(table)
        text_encoder.config.vocab_size = rows

    backbone.tokenizer = copy.deepcopy(tokenizer)
    text_encoder.set_input_embeddings(copy.deepcopy(table))
    try:
        for token, embedding in tokens.items():
            _teach(backbone, token, embedding)
    except WeightsError:
        forget()
        raise
    return forget


def _teach(backbone: Backbone, token: str, embedding: Tensor) -> None:
    text_encoder, tokenizer = backbone.text_encoder, backbone.tokenizer
    table = text_encoder.get_input_embeddings()
    if embedding.shape != table.weight.shape[1:]:
        raise WeightsError(
            f"the token '{token}' has {tuple(embedding.shape)} numbers, this model's {table.weight.shape[1]}."
        )
    if tokenizer.add_tokens([token]) == 0:
        raise WeightsError(f"the token '{token}' is in the vocabulary already: two LoRAs teach the same word.")
    if len(tokenizer) > table.num_embeddings:
        text_encoder.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    index = tokenizer.convert_tokens_to_ids(token)
    text_encoder.get_input_embeddings().weight[index] = embedding.to(table.weight)


@dataclass(frozen=True)
class LoraLayer:
    """What one LoRA adds to one layer: ``scale * up @ down``, with up (out, rank) and down (rank, in * kernel)."""

    module: nn.Linear | nn.Conv2d
    down: Tensor
    up: Tensor
    scale: float


_LORA_SIDE = re.compile(
    r"(.+?)(?:\.lora_|\.lora\.|_lora\.|\.lora_linear_layer\.|:)(A|B|down|up)(?:\.default)?(?:\.weight)?"
)


def read_lora(path: Path, unet: nn.Module, text_encoder: nn.Module) -> tuple[list[LoraLayer], dict[str, Tensor]]:
    """The layers of a LoRA file, and the embeddings of the tokens it teaches (by token; mostly none).

    Understood are diffusers' three namings (peft, and the two before it), kohya's, and the numbered one of
    cloneofsimo's trainer. Raises WeightsError for other kinds and for layers that this model does not have or fit.
    """
    header, tensors = read_safetensors(path) if path.suffix == ".safetensors" else ({}, read_tensors(path))
    taught = [name for name in tensors if header.get(name) == "<embed>"]
    tokens = {name.removeprefix(TOKEN_PREFIX): tensors.pop(name) for name in taught}
    if len(tokens) > MOST_TOKENS or any(not name.strip() or len(name) > 100 for name in tokens):
        raise WeightsError(
            f"'{path.name}' teaches {len(tokens):,} words; expected at most {MOST_TOKENS:,}, of 1 to 100 characters."
        )
    numbers = _numbered_layers(unet, text_encoder, tensors)
    targets = {
        _flat_layer(f"{part}.{name}"): (part, name, layer)
        for part, module in (("unet", unet), ("text_encoder", text_encoder))
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear | nn.Conv2d)
    }
    alphas = {name.removesuffix(".alpha"): tensors.pop(name) for name in list(tensors) if name.endswith(".alpha")}
    sides: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        found = _LORA_SIDE.fullmatch(name)
        if found is None:
            raise WeightsError(
                f"'{path.name}' has the tensor '{name}', which is of no LoRA kind known here (plain LoRA)."
            )
        side = {"A": "down", "B": "up"}.get(found[2], found[2])
        sides.setdefault(found[1], {})[side] = tensor
    written = json_object(
        header.get("lora_adapter_metadata", "{}"), f"the settings in the header of '{path.name}'", WeightsError
    )
    peft = {part: _peft(path, part, written) for part in ("unet", "text_encoder")}
    layers = []
    for name, pair in sides.items():
        part, place, module = targets.get(_flat_layer(numbers.get(name, name)), ("", "", None))
        if module is None or len(pair) < 2:
            raise WeightsError(
                f"'{path.name}' changes '{name}', a layer this model does not have: another model's LoRA."
            )
        if not (pair["down"].is_floating_point() and pair["up"].is_floating_point()):
            raise WeightsError(f"'{path.name}' is quantised ('{name}'): expected float16, bfloat16 or float32.")
        if min(each.ndim for each in pair.values()) < 2 or not len(pair["down"]):
            raise WeightsError(f"'{path.name}' has no matrices at '{name}': expected a LoRA.")
        down, up = pair["down"].flatten(1).float(), pair["up"].flatten(1).float()
        if (up.shape[0], up.shape[1], down.shape[1]) != (len(module.weight), len(down), module.weight[0].numel()):
            raise WeightsError(
                f"'{path.name}' does not fit: '{name}' is for a layer of {up.shape[0]} x {down.shape[1]}, this model's "
                f"is {len(module.weight)} x {module.weight[0].numel()}; it was made for another model."
            )
        alpha = _alpha(path, name, alphas[name]) if name in alphas else _peft_alpha(peft[part], place)
        root = math.sqrt(len(down)) if peft[part].use_rslora else len(down)
        factor = 1.0 if alpha is None else alpha / root
        if not abs(factor) <= STRONGEST:
            raise WeightsError(
                f"'{path.name}' has the alpha {alpha:g} at '{name}', of rank {len(down)}: it is damaged."
            )
        layers.append(LoraLayer(module, down, up, factor))
    if not layers and not tokens:
        raise WeightsError(f"'{path.name}' holds no layers: expected a LoRA.")
    return layers, tokens


def _flat_layer(name: str) -> str:
    """One spelling for the layer names of all trainers: "unet_down_blocks_0_..." or "text_encoder_encoder_..."."""
    flat = name.replace(".processor", "").replace(".", "_")
    flat = re.sub(r"^lora_unet_", "unet_", flat)
    flat = re.sub(r"^(lora_te1?_|text_encoder_)(text_model_)?", "text_encoder_", flat)
    if flat.startswith("text_encoder_"):
        return re.sub(r"_to_(q|k|v|out)$", r"_\1_proj", flat)
    flat = flat if flat.startswith(("unet_", "lora_")) else f"unet_{flat}"
    return re.sub(r"_to_out$", "_to_out_0", flat)


def _alpha(path: Path, name: str, tensor: Tensor) -> float:
    if tensor.numel() != 1:
        raise WeightsError(f"'{path.name}' has an alpha of {tensor.numel()} numbers at '{name}'; expected one.")
    return float(tensor)


def _peft(path: Path, part: str, written: Mapping[str, Any]) -> Peft:
    """What peft wrote of a part, the patterns of its layers as plain names: peft's own are escaped ones."""
    prefix = f"{part}."
    own = {key.removeprefix(prefix): value for key, value in written.items() if key.startswith(prefix)}
    try:
        read = Peft.model_validate(own)
    except ValidationError as error:
        raise WeightsError(f"the settings in the header of '{path.name}': {part}: {fault(error)}.") from error
    plain = {
        key.lstrip("^").removesuffix("$").replace("\\.", "."): each for key, each in (read.alpha_pattern or {}).items()
    }
    for name in plain:
        if not _LAYER.fullmatch(name):
            raise WeightsError(f"'{path.name}' gives the alpha of '{name:.60}'; expected the name of a layer.")
    return read.model_copy(update={"alpha_pattern": plain})


def _peft_alpha(peft: Peft, place: str) -> float | None:
    """The alpha that peft wrote for a layer, where the file has peft's settings; None stands for the rank."""
    parts = place.split(".")
    for first in range(len(parts)):
        if (alpha := (peft.alpha_pattern or {}).get(".".join(parts[first:]))) is not None:
            return alpha
    return peft.lora_alpha


def _numbered_layers(unet: nn.Module, text_encoder: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """For names such as "unet:12:down" what each number stands for: the layers in the order the trainer walked them.

    It walked the middle block last; in a block the feed-forward came before the second attention in the diffusers of
    its day, and after it later, which the width of layer 4 tells apart.
    """
    if "unet:0:down" not in tensors and "text_encoder:0:down" not in tensors:
        return {}
    blocks = [name for name, module in unet.named_modules() if type(module).__name__ == "BasicTransformerBlock"]
    blocks.sort(key=lambda name: name.startswith("mid_block"))
    attn1, attn2 = (
        [f"{attention}.{to}" for to in ("to_q", "to_k", "to_v", "to_out.0")] for attention in ("attn1", "attn2")
    )
    forward = ["ff.net.0.proj"]
    probe = tensors.get("unet:4:up")
    early = probe is None or len(probe) == len(unet.get_submodule(f"{blocks[0]}.ff.net.0.proj").weight)  # type: ignore[arg-type]
    order = [*attn1, *forward, *attn2] if early else [*attn1, *attn2, *forward]
    walks = {
        "unet": [f"{block}.{layer}" for block in blocks for layer in order],
        "text_encoder": [
            f"{name}.{to}"
            for name, module in text_encoder.named_modules()
            if type(module).__name__ == "CLIPAttention"
            for to in ("k_proj", "v_proj", "q_proj", "out_proj")
        ],
    }
    return {f"{part}:{index}": f"{part}.{name}" for part, walk in walks.items() for index, name in enumerate(walk)}
