"""A model as its files describe it: all that a job must know of it before its weights are read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from vedit.backbone.notes import ModelNotes

if TYPE_CHECKING:
    from transformers import CLIPTokenizer


@dataclass(frozen=True)
class TunedState:
    """What one-shot tuning left in a backbone.

    Attributes:
        digest: of the tensors that it changed; empty where nothing was tuned
        prompt: the words of the clip that was learnt
        attention: the kind that it was learnt under
    """

    digest: str = ""
    prompt: str = ""
    attention: str = "per_frame"


@dataclass(frozen=True)
class Attached:
    """Which of the layers that join frames a model has, beside attention itself.

    Attributes:
        temporal: Tune-A-Video's temporal attention
        positions: whether that knows which frame is which
        motion: AnimateDiff's motion modules
    """

    temporal: bool = False
    positions: bool = False
    motion: bool = False


@dataclass(frozen=True, eq=False)
class Outline:
    """A model without its weights.

    Attributes:
        name: as it was asked for
        folder: where it lies, with what else came along; None for a single file
        configs: the folder of its configs; None for a model that is in memory alone
        unet: the config of the UNet
        vae_scale_factor: pixels per latent pixel
        fingerprint: names its weights, what is put on them included; empty where they are not on this machine
        device, dtype, kernel: where and how it computes
        motion_config: reads the config of its motion modules; None where it has none
    """

    name: str
    folder: Path | None
    configs: Path | None
    unet: Mapping[str, Any]
    vae_scale_factor: int
    tokenizer: CLIPTokenizer
    notes: ModelNotes
    fingerprint: str
    device: torch.device
    dtype: torch.dtype
    kernel: str
    layers: Attached = Attached()
    tuned: TunedState = TunedState()
    motion_config: Callable[[], Mapping[str, Any]] | None = None

    @property
    def state(self) -> str:
        """Names what the network is now: the files it came from, how they are read, what is attached, and the adapter
        on top. Empty where the weights are not on this machine."""
        if not self.fingerprint:
            return ""
        config = json.dumps({key: str(value) for key, value in sorted(self.unet.items())}).encode()
        attached = (self.layers.temporal, self.layers.positions, self.layers.motion)
        return f"{self.fingerprint}+{blake2b(config, digest_size=8).hexdigest()}+{attached}+{self.tuned.digest}"

    @property
    def text_width(self) -> int:
        """Of the text encoder's states."""
        return int(self.unet["cross_attention_dim"])

    @property
    def embeds_guidance(self) -> bool:
        """Whether the UNet takes the guidance scale as an input, as distilled ones do."""
        return self.unet.get("time_cond_proj_dim") is not None

    @property
    def joins_frames(self) -> bool:
        """Whether any temporal layers are attached."""
        return self.layers.temporal or self.layers.motion
