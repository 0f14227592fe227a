"""What an odd case is made of."""

from __future__ import annotations

import io
import json
import shutil
import wave
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from random import Random

import torch
from diffusers import ControlNetModel
from safetensors.torch import save_file

from tests.backbone import toys
from vedit.adapters.loading import load_backbone
from vedit.clip import Audio, Clip, read_clip
from vedit.tuning.one_shot import tune


@dataclass(frozen=True)
class Good:
    """What works: made once for all cases, which copy what they change."""

    clip: Path
    sound: Path
    model: Path
    adapter: Path
    lora: Path
    motion: Path
    """An AnimateDiff folder for the model."""
    control: Path
    """A ControlNet's folder for the model."""
    mini: Path
    """The embedded model's folder, with its sound encoder."""


@dataclass(frozen=True)
class Desk:
    """A case's own folders: ``given`` for what it makes, and ``out``, the current one, for outputs."""

    good: Good
    given: Path
    out: Path

    def file(self, name: str, content: str | bytes) -> Path:
        path = self.given / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content)
        return path

    def copy(self, path: Path) -> Path:
        """A copy of something good, to be spoilt."""
        place = self.given / path.name
        return shutil.copytree(path, place) if path.is_dir() else Path(shutil.copy(path, place))

    def edit(self, *more: object, clip: object = None, prompt: str = "a red cat", model: object = None) -> list[object]:
        """A quick edit that works but for what is given."""
        clip, model = clip or self.good.clip, model or self.good.model
        quick = ["--steps", 1, "--size", 16, "--frames", 2, "--no-cache", "--no-check-inversion"]
        return ["edit", clip, prompt, "--model", model, *quick, "-o", self.out / "o.mp4", *more]

    def generate(self, *more: object, model: object = None) -> list[object]:
        """A quick clip from words that works but for what is given."""
        size = ["--width", 16, "--height", 16, "--frames", 2, "--steps", 1]
        return ["generate", "a red cat", "--model", model or self.good.model, *size, "-o", self.out / "o.mp4", *more]


Make = Callable[[Desk, Random], list[object]]
"""Makes what is odd, and says the command that meets it."""


@dataclass(frozen=True)
class Case:
    """One case, drawn from ``seed`` again whenever it is made."""

    name: str
    make: Make
    seed: str

    def arguments(self, desk: Desk) -> list[str]:
        return [str(each) for each in self.make(desk, Random(self.seed))]


def drawn(family: str, makers: dict[str, Make], count: int) -> list[Case]:
    """So many cases of a family, each maker in its turn."""
    names = list(makers)
    chosen = [(index, names[index % len(names)]) for index in range(count)]
    return [Case(f"{family} {index}: {name}", makers[name], f"{family}/{index}") for index, name in chosen]


def made_good(folder: Path) -> Good:
    """The good things, in an empty folder."""
    model = toys.sd_folder(folder / "model", levels=2, layers=1, width=32)
    frames = torch.stack([torch.rand(3, 30, 46, generator=torch.Generator().manual_seed(each)) for each in range(5)])
    hum = torch.sin(torch.arange(4000) * 0.3)[None] * 0.2
    Clip(frames, Fraction(10), Audio(hum, 8000)).save(folder / "clip.mp4")
    (folder / "sound.wav").write_bytes(_wav(hum))
    backbone = load_backbone(model)
    clip = read_clip(folder / "clip.mp4", size=(16, 16))
    tune(backbone, clip.frames, "a cat", steps=1).save(folder / "adapter.safetensors")
    layer = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    sides = {f"{layer}.lora_A.weight": torch.ones(2, 32), f"{layer}.lora_B.weight": torch.ones(32, 2)}
    peft = {"unet.lora_alpha": 2, "unet.alpha_pattern": {layer.removeprefix("unet."): 1.0}}
    save_file(sides, folder / "lora.safetensors", {"lora_adapter_metadata": json.dumps(peft)})
    toys.motion_adapter(model).save_pretrained(folder / "motion")
    pictures = (16, 32, 96, 256)[: backbone.vae_scale_factor.bit_length()]
    backbone = load_backbone(model)
    net = ControlNetModel.from_unet(backbone.unet, conditioning_embedding_out_channels=pictures)
    net.save_pretrained(folder / "control")
    mini = Path(shutil.copytree(Path(toys.__file__).parents[2] / "vedit" / "miniature" / "weights", folder / "mini"))
    return Good(
        clip=folder / "clip.mp4",
        sound=folder / "sound.wav",
        model=model,
        adapter=folder / "adapter.safetensors",
        lora=folder / "lora.safetensors",
        motion=folder / "motion",
        control=folder / "control",
        mini=mini,
    )


def _wav(samples: torch.Tensor) -> bytes:
    held = io.BytesIO()
    with wave.open(held, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes((samples[0] * 32767).short().numpy().tobytes())
    return held.getvalue()
