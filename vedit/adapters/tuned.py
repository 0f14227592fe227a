"""A tuned model as one small file: the tensors that changed, how they were tuned, and on which base."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch
from pydantic import Field, ValidationError
from safetensors.torch import save
from torch import Tensor

from vedit.adapters.base import Attachable, Undo, replace_parameters, undone_on_error
from vedit.atomic import whole_file
from vedit.backbone.checkpoints import read_safetensors
from vedit.backbone.model import Backbone
from vedit.backbone.model_files import reading_weights
from vedit.backbone.outline import Attached, Outline, TunedState
from vedit.backbone.schemas import Name, Schema, fault
from vedit.config.fields import LONGEST_PROMPT
from vedit.errors import WeightsError
from vedit.files import json_object

FORMAT = "vedit adapter 1"


class Told(Schema):
    """What is read of the settings that an adapter was tuned with."""

    base: str = Field(min_length=1, max_length=200)
    prompt: str = Field("", max_length=LONGEST_PROMPT)
    attention: Name = ""
    positions: bool = False
    model: str = Field("", max_length=4096)


@dataclass(frozen=True)
class Adapter(Attachable):
    """``tensors`` by their names in the UNet; ``config`` of the tuning; ``base``, the base model's fingerprint."""

    tensors: Mapping[str, Tensor]
    config: Mapping[str, Any]
    base: str

    def __repr__(self) -> str:
        size = sum(tensor.numel() * tensor.element_size() for tensor in self.tensors.values()) / 1e6
        learnt = f"'{self.config.get('prompt', '')}' on {self.config.get('model') or 'a model without a name'}"
        steps = self.config.get("steps_taken", self.config.get("steps", "?"))
        return f"Adapter({learnt}, {steps} steps, {len(self.tensors)} tensors, {size:.1f} MB)"

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write one safetensors file, whole or not at all. Raises MediaError when it may not be written."""
        metadata = {"format": FORMAT, "base": self.base, "config": json.dumps(dict(self.config), sort_keys=True)}
        with whole_file(path, overwrite=overwrite) as beside:
            beside.write_bytes(save({name: tensor.contiguous() for name, tensor in self.tensors.items()}, metadata))

    @classmethod
    @reading_weights()
    def load(cls, path: str | Path) -> Adapter:
        """Raises WeightsError for what is missing, damaged or no adapter."""
        path = Path(path)
        if not path.is_file():
            raise WeightsError(f"the adapter {path} is not there; `vedit tune` writes one.")
        metadata, tensors = read_safetensors(path)
        if metadata.get("format") != FORMAT:
            raise WeightsError(
                f"{path} is not an adapter of `vedit tune`; pass a LoRA with --lora, a motion adapter with "
                "--motion-adapter, and a whole model with --model."
            )
        lacking = f"the adapter {path} is damaged: it does not say what it was tuned on; tune it again."
        config, base = (
            json_object(metadata.get("config", ""), f"the settings in {path}", lambda _: WeightsError(lacking)),
            metadata.get("base", ""),
        )
        try:
            Told.model_validate(config | {"base": base})
        except ValidationError as error:
            raise WeightsError(f"the adapter {path} is damaged: {fault(error)}; tune it again.") from error
        if not tensors:
            raise WeightsError(lacking)
        return cls(tensors, config, base)

    def put_on(self, backbone: Backbone) -> Undo:
        """Give ``backbone`` the tuned tensors, attaching temporal attention, and the attention kind they were tuned
        under.

        Raises WeightsError when it was tuned on another base, or does not fit.
        """
        self._check_base(backbone.name, backbone.fingerprint)
        temporal = self._has_temporal
        before = backbone.tuned
        attached, positions = not backbone.layers.has_temporal, backbone.layers.positions
        if temporal:
            backbone.layers.attach_temporal()
            backbone.layers.positions = bool(self.config.get("positions", False))

        def detach() -> None:
            backbone.layers.positions = positions
            if temporal and attached:
                backbone.layers.detach_temporal()

        with undone_on_error(detach):
            self._check(backbone)
            undo_tensors = replace_parameters(backbone.unet, self.tensors)
        backbone.tuned = self._tuned(before)

        def undo() -> None:
            backbone.tuned = before
            undo_tensors()
            detach()

        return undo

    def outlined(self, outline: Outline) -> Outline:
        """What a model is with the adapter on it. Raises WeightsError when it was tuned on another base."""
        if outline.fingerprint:
            self._check_base(outline.name, outline.fingerprint)
        layers = outline.layers
        if self._has_temporal:
            layers = Attached(True, bool(self.config.get("positions", False)), layers.motion)
        return replace(outline, layers=layers, tuned=self._tuned(outline.tuned))

    @property
    def _has_temporal(self) -> bool:
        return any("attn_temp" in name for name in self.tensors)

    def _tuned(self, before: TunedState) -> TunedState:
        attention = str(self.config.get("attention", before.attention))
        return TunedState(self.digest(), str(self.config.get("prompt", "")), attention)

    def _check_base(self, name: str, fingerprint: str) -> None:
        if self.base != fingerprint:
            raise WeightsError(
                f"this adapter was tuned on {self.config.get('model', 'another model')} ({self.base[:8]}) and the "
                f"model given is {name} ({fingerprint[:8]}); pass the --model it was tuned on."
            )

    def _check(self, backbone: Backbone) -> None:
        own = dict(backbone.unet.named_parameters())
        for name, tensor in self.tensors.items():
            if name not in own or own[name].shape != tensor.shape:
                raise WeightsError(f"the adapter's tensor {name} {tuple(tensor.shape)} does not fit {backbone.name}.")
            if not torch.isfinite(tensor).all():
                raise WeightsError(f"the adapter's tensor {name} is not finite; tune again with a lower learning rate.")

    def digest(self) -> str:
        """A hash of the tensors, to tell tuned backbones apart."""
        state = blake2b(digest_size=16)
        for name in sorted(self.tensors):
            state.update(name.encode())
            state.update(self.tensors[name].detach().float().cpu().contiguous().numpy().tobytes())
        return state.hexdigest()
