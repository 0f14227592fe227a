"""A LoRA while it is learnt, and the word that it teaches; as files that vedit and diffusers read."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from vedit.adapters.lora import TOKEN_PREFIX, teach_tokens
from vedit.atomic import whole_file
from vedit.backbone.model import Backbone
from vedit.backbone.temporal import transformer_blocks

PROJECTIONS = ("to_q", "to_k", "to_v", "to_out.0")
"""Of each attention, which learn: those that DreamBooth's LoRAs change."""

FORMAT = "vedit subject 1"


@dataclass(frozen=True)
class Subject:
    """What a model has learnt of a subject.

    Attributes:
        tensors: of the LoRA, as diffusers names them
        token: the word that stands for it
        row: (D,) its embedding
        config: how it was learnt
        base: the fingerprint of the model that has learnt it
    """

    tensors: Mapping[str, Tensor]
    token: str
    row: Tensor
    config: Mapping[str, Any]
    base: str

    def save(self, path: Path, *, overwrite: bool = False) -> tuple[Path, Path]:
        """Write the LoRA with its word, which vedit's --lora reads and diffusers' ``load_lora_weights``; and beside it
        the word alone, which diffusers' ``load_textual_inversion`` reads. Raises MediaError where they may not be
        written."""
        named = f"{TOKEN_PREFIX}{self.token}"
        rank = int(self.config["rank"])
        peft = {"unet.r": rank, "unet.lora_alpha": rank, "unet.target_modules": list(PROJECTIONS)}
        told = {
            "format": FORMAT, "base": self.base, "config": json.dumps(dict(self.config), sort_keys=True),
            "lora_adapter_metadata": json.dumps(peft, sort_keys=True), named: "<embed>",
        }  # fmt: skip
        tensors = {**self.tensors, named: self.row}
        beside = token_file(path)
        for file, held, header in ((path, tensors, told), (beside, {self.token: self.row}, {"format": "pt"})):
            with whole_file(file, overwrite=overwrite) as unfinished:
                unfinished.write_bytes(save({name: each.contiguous() for name, each in held.items()}, header))
        return path, beside


def token_file(path: Path) -> Path:
    """Where the word of a LoRA lies alone."""
    return path.with_name(f"{path.stem}-token{path.suffix}")


class LearntLora(nn.Module):
    """Matrices beside the attention projections of a UNet, in float32, that add nothing until they have learnt.

    Source: Hu et al. 2022, section 4.1.
    """

    def __init__(self, unet: nn.Module, rank: int, seed: int) -> None:
        super().__init__()
        inside = {id(module) for block in transformer_blocks(unet) for module in (block.attn1, block.attn2)}
        attentions = [(name, module) for name, module in unet.named_modules() if id(module) in inside]
        self.layers: dict[str, nn.Linear] = {}
        for name, module in attentions:
            for projection in PROJECTIONS:
                layer = module.get_submodule(projection)
                assert isinstance(layer, nn.Linear), "a projection of attention"
                self.layers[f"{name}.{projection}"] = layer
        generator = torch.Generator().manual_seed(seed % 2**63)
        self.downs, self.ups = nn.ParameterList(), nn.ParameterList()
        for layer in self.layers.values():
            out, width = layer.weight.shape
            bound = 1 / math.sqrt(width)
            drawn = (torch.rand(rank, width, generator=generator) * 2 - 1) * bound
            self.downs.append(nn.Parameter(drawn.to(layer.weight.device)))
            self.ups.append(nn.Parameter(torch.zeros(out, rank, device=layer.weight.device)))

    @contextmanager
    def on(self) -> Iterator[None]:
        """Within the block, the layers' outputs are those with it."""
        with ExitStack() as stack:
            for layer, down, up in zip(self.layers.values(), self.downs, self.ups, strict=True):

                def add(
                    _: nn.Module, given: tuple[Tensor], output: Tensor, down: Tensor = down, up: Tensor = up
                ) -> Tensor:
                    return output + (given[0].float() @ down.T @ up.T).to(output)

                stack.callback(layer.register_forward_hook(add).remove)
            yield

    def tensors(self) -> dict[str, Tensor]:
        """As diffusers names them."""
        named: dict[str, Tensor] = {}
        for name, down, up in zip(self.layers, self.downs, self.ups, strict=True):
            named[f"unet.{name}.lora_A.weight"] = down.detach().cpu().clone()
            named[f"unet.{name}.lora_B.weight"] = up.detach().cpu().clone()
        return named


@contextmanager
def learning_word(backbone: Backbone, token: str, kind: str) -> Iterator[nn.Parameter]:
    """Within the block, the model knows a new word, whose embedding (D,), a parameter in float32, begins as that of the
    ``kind`` of thing that it is; afterwards it is as it was. Raises WeightsError for a word that it knows.

    Source: Gal et al. 2023 (textual inversion), section 4.
    """
    table = backbone.text_encoder.get_input_embeddings().weight
    known = backbone.tokenizer(kind, add_special_tokens=False, verbose=False).input_ids
    first = table[known].float().mean(0)
    forget = teach_tokens(backbone, {token: first})
    number = backbone.tokenizer.convert_tokens_to_ids(token)
    row = nn.Parameter(first.detach().clone())

    def show(_: nn.Module, given: tuple[Tensor], output: Tensor) -> Tensor:
        return torch.where((given[0] == number)[..., None], row.to(output), output)

    shown = backbone.text_encoder.get_input_embeddings().register_forward_hook(show)
    try:
        yield row
    finally:
        shown.remove()
        forget()
