"""A model, and what is put on it for good."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from vedit.adapters.lora import Lora
from vedit.adapters.motion import Motion, MotionFiles
from vedit.adapters.tuned import Adapter
from vedit.backbone.loading import load_base, outline_base
from vedit.backbone.model import Backbone
from vedit.backbone.model_files import reading_weights
from vedit.backbone.outline import Outline
from vedit.config.groups import NO_MOTION
from vedit.config.lora import LoraSpec


@dataclass(frozen=True)
class ModelSpec:
    """What to load, as the settings name it; arguments as of ``load_backbone``."""

    name: str | Path = "mini"
    device: str = "auto"
    dtype: str = "auto"
    kernel: str = "auto"
    motion_adapter: str | None = None
    loras: tuple[LoraSpec, ...] = ()

    def load(self) -> Backbone:
        """The model, ready to run. Raises as ``load_backbone``."""
        return load_backbone(
            self.name,
            device=self.device,
            dtype=self.dtype,
            kernel=self.kernel,
            motion_adapter=self.motion_adapter,
            loras=self.loras,
        )

    @reading_weights()
    def outline(self, *, weights: bool = True) -> Outline:
        """The model as its files describe it.

        Args:
            weights: fetch them from the hub, too, where they are not here; without them it may have no fingerprint

        Raises:
            WeightsError: for what is missing, or shows to be damaged without reading all of it
            DeviceError: for what this machine lacks
        """
        outline, identity = outline_base(
            self.name, device=self.device, dtype=self.dtype, kernel=self.kernel, weights=weights
        )
        for spec in self.loras:
            lora = Lora.of(spec)
            identity = identity and identity.also([lora.path], lora.remark)
            if words := lora.words():
                outline = replace(outline, tokenizer=copy.deepcopy(outline.tokenizer))
                outline.tokenizer.add_tokens(words)
        if (motion := chosen_motion(self.motion_adapter, outline)) is not None:
            files = MotionFiles.of(motion)
            identity = identity and identity.also(files.weights)
            outline = replace(outline, layers=replace(outline.layers, motion=True), motion_config=files.config)
        return replace(outline, fingerprint=str(identity or ""))


def chosen_motion(asked: str | Path | None, model: Backbone | Outline) -> str | Path | None:
    """The motion modules that are asked for, else those in the model's folder, if its notes name some; None for none,
    and where ``NO_MOTION`` is asked for."""
    if asked is not None:
        return None if asked == NO_MOTION else asked
    return model.folder / model.notes.motion if model.folder and model.notes.motion else None


def load_backbone(
    name: str | Path = "mini",
    *,
    device: str | torch.device = "auto",
    dtype: str | torch.dtype = "auto",
    kernel: str = "auto",
    motion_adapter: str | Path | None = None,
    loras: str | Sequence[LoraSpec | str | tuple[str, float]] = (),
    adapter: str | Path | None = None,
) -> Backbone:
    """A Stable Diffusion 1.x or 2.x model, ready to run.

    Threads that load at the same time load one after the other.

    Args:
        name: "mini", a short name ("sd14", "sd15", "sd21-base", "sd21"), a folder in diffusers' layout (Tune-A-Video's
            pipelines too), a hub id, or a single .safetensors file, whose configs lie in the folder of its name beside
            it or in the hub's cache
        device: "cpu", "cuda", "cuda:1", "mps"; "auto" is CUDA where there is one
        dtype: "auto" is float16 on CUDA and float32 elsewhere; the VAE stays float32
        kernel: how attention is computed: "sdpa", "xformers", "math", or "auto"
        motion_adapter: AnimateDiff motion modules: a folder, a hub id or a file; "none" for none; None for the model's
            own
        loras: a file or several, each with its scale as a pair or as "file.safetensors:0.8"
        adapter: a file that `vedit tune` wrote

    Raises:
        TypeError: for a name that is no str and no path
        WeightsError: for what is missing, damaged or does not fit
        DeviceError: for what this machine lacks
    """
    specs = [LoraSpec.of(each) for each in ((loras,) if isinstance(loras, str) else loras)]
    backbone = load_base(name, device=device, dtype=dtype, kernel=kernel)
    for spec in specs:
        Lora.of(spec).apply(backbone)
    if (motion := chosen_motion(motion_adapter, backbone)) is not None:
        Motion.read(motion).apply(backbone)
    if adapter is not None:
        Adapter.load(Path(adapter).expanduser()).apply(backbone)
    backbone.loaded_with = {
        "motion_adapter": None if motion_adapter is None else str(motion_adapter),
        "lora": tuple(specs),
        "adapter": adapter,
        "device": str(device),
        "dtype": dtype if isinstance(dtype, str) else str(dtype).removeprefix("torch."),
        "kernel": kernel,
    }
    return backbone
