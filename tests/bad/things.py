"""What a user can get wrong, made: damaged clips, weights, settings and places, beside what works."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import wave
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import av
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

Snapshot = dict[str, bytes | None]

UNET = "unet/diffusion_pytorch_model"
CLIP_FRAMES = 5


@dataclass(frozen=True)
class Good:
    """What works: made once, only copied afterwards."""

    clip: Path
    model: Path
    other: Path
    adapter: Path
    lora: Path
    edited: Path
    """A folder with clip.mp4, and o.mp4 and o.yaml that were made of it."""


@dataclass(frozen=True)
class Desk:
    """A folder for bad things, and the empty one that the output would go to."""

    good: Good
    bad: Path
    out: Path

    def edit(self, *more: object, clip: object = None, prompt: str = "a red cat", model: object = None) -> list[object]:
        """An edit that would work but for what is given; ``more`` comes last, and the last word counts."""
        clip = self.good.clip if clip is None else clip
        model = self.good.model if model is None else model
        return ["edit", clip, prompt, "--model", model, "--steps", 1, "-o", self.out / "o.mp4", *more]

    def tune(self, *more: object) -> list[object]:
        """A tuning that would work but for what is given, and may overwrite."""
        quick = ["--model", self.good.model, "--prompt", "a", "--steps", 1, "--size", 16]
        return ["tune", self.good.clip, *quick, "--overwrite", *more]

    def file(self, name: str, content: str | bytes) -> Path:
        path = self.bad / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def folder(self, *without: str) -> Path:
        """A copy of the model, lacking some of its files or folders."""
        path = shutil.copytree(self.good.model, self.bad / "model")
        for name in without:
            shutil.rmtree(path / name) if (path / name).is_dir() else (path / name).unlink()
        return path

    def config(self, name: str, **changes: Any) -> Path:
        """A copy of the model with other settings in one of its JSON files."""
        file = self.folder() / name
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))
        return self.bad / "model"

    def text(self, name: str, content: str) -> Path:
        """A copy of the model with other text in one of its files."""
        (self.folder() / name).write_text(content)
        return self.bad / "model"

    def linked(self, name: str, to: str) -> Path:
        """A copy of the model, one of whose files is a link to something else."""
        (self.folder(name) / name).symlink_to(to)
        return self.bad / "model"

    def piped(self, name: str) -> Path:
        """A copy of the model, one of whose files is a pipe that nobody writes to."""
        os.mkfifo(self.folder(name) / name)
        return self.bad / "model"

    def pipe(self, name: str) -> Path:
        os.mkfifo(self.bad / name)
        return self.bad / name

    def lora(self, **settings: Any) -> Path:
        """A copy of the LoRA, with settings as peft writes them."""
        save_file(
            load_file(self.good.lora), self.bad / "lora.safetensors", {"lora_adapter_metadata": json.dumps(settings)}
        )
        return self.bad / "lora.safetensors"

    def sidecar(self, **changes: str) -> Path:
        """The sidecar of a good edit with other values of some keys, beside the edited clip's copy."""
        folder = shutil.copytree(self.good.edited, self.bad / "edited")
        (folder / "o.mp4").unlink()
        lines = [line for line in (folder / "o.yaml").read_text().splitlines() if line.split(":")[0] not in changes]
        (folder / "o.yaml").write_text("\n".join([*lines, *(f"{key}: {value}" for key, value in changes.items())]))
        return folder / "o.yaml"


def snapshot(*folders: Path) -> Snapshot:
    """Everything below folders, hidden files too, with what the files hold."""
    entries = [each for folder in folders for each in folder.rglob("*")]
    return {str(each): each.read_bytes() if each.is_file() and not each.is_symlink() else None for each in entries}


# Clips


def video(path: Path, count: int, size: tuple[int, int] = (16, 16), faststart: bool = False) -> Path:
    options = {"movflags": "+faststart"} if faststart else {}
    with av.open(str(path), "w", container_options=options) as out:
        stream = out.add_stream("libx264", rate=Fraction(25), options={"g": "4"})
        stream.height, stream.width, stream.pix_fmt = *size, "yuv444p"
        noise = np.random.default_rng(0)
        out.start_encoding()
        for _ in range(count):
            picture = noise.integers(0, 255, (*size, 3), dtype=np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        out.mux(stream.encode(None))
    return path


def cut(path: Path, share: float) -> Path:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    return path


def sound(path: Path) -> Path:
    if path.suffix == ".wav":
        with wave.open(str(path), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(8000)
            out.writeframes(bytes(4000))
        return path
    with av.open(str(path), "w", format="mp4") as out:
        stream = out.add_stream("aac", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 8000, 0, Fraction(1, 8000)
        out.mux([*stream.encode(frame), *stream.encode(None)])
    return path


def renamed(path: Path, name: str) -> Path:
    return path.rename(path.with_name(name))


def pictures(desk: Desk, *sizes: tuple[int, int]) -> Path:
    folder = desk.bad / "pictures"
    folder.mkdir()
    (folder / "notes.txt").write_text("no picture")
    for index, size in enumerate(sizes):
        Image.new("RGB", size).save(folder / f"{index}.png")
    return folder


# Weights


class Payload:
    """Runs when a pickle of it is opened carelessly."""

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return os.mkdir, ("opened",)  # in the current folder, which is the output's


def pickled(desk: Desk, by_torch: bool) -> Path:
    model = desk.folder(f"{UNET}.safetensors")
    if by_torch:
        torch.save({"conv_in.weight": Payload()}, model / f"{UNET}.bin")
    else:
        (model / f"{UNET}.bin").write_bytes(pickle.dumps({"conv_in.weight": Payload()}))
    return model


def changed(desk: Desk, change: Callable[[torch.Tensor], torch.Tensor], added: str = "") -> Path:
    """The model with the first tensor of its UNet changed, and something added to its name."""
    model = desk.folder()
    tensors = load_file(model / f"{UNET}.safetensors")
    name = sorted(tensors)[0]
    save_file({f"{name}{added}": change(tensors.pop(name)), **tensors}, model / f"{UNET}.safetensors")
    return model


def compressed(desk: Desk) -> Path:
    """The model with a UNet that is a small archive of very many zeros."""
    model = desk.folder(f"{UNET}.safetensors")
    torch.save({"conv_in.weight": torch.zeros(25_000_000)}, model / "large.bin")
    with ZipFile(model / "large.bin") as stored, ZipFile(model / f"{UNET}.bin", "w", ZIP_DEFLATED) as small:
        for each in stored.infolist():
            small.writestr(each.filename, stored.read(each))
    (model / "large.bin").unlink()
    return model


def sdxl(desk: Desk) -> Path:
    model = desk.config(
        "model_index.json", _class_name="StableDiffusionXLPipeline", text_encoder_2=["transformers", "CLIPTextModel"]
    )
    shutil.copytree(model / "text_encoder", model / "text_encoder_2")
    return model


def adapter(desk: Desk, **metadata: str | None) -> Path:
    """The good adapter with other words in its header; None takes one out."""
    with safe_open(desk.good.adapter, "pt") as file:
        words = file.metadata() | metadata
    kept = {name: text for name, text in words.items() if text is not None}
    save_file(load_file(desk.good.adapter), desk.bad / "adapter.safetensors", kept)
    return desk.bad / "adapter.safetensors"


# Files of settings


def with_config(desk: Desk, text: str | bytes) -> list[object]:
    return desk.edit("--config", desk.file("settings.yaml", text))


def bomb() -> str:
    """A few lines that stand for a list of 9 ** 10 words."""
    names = "abcdefghij"
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{own}: &{own} [{', '.join([f'*{last}'] * 9)}]" for last, own in pairwise(names)]
    return "\n".join(lines)


SEVERAL = "steps: many\nguidance: -1\nattention: sparse_casual\nfrmes: 3\n"

# Outputs


def occupied(desk: Desk, name: str) -> None:
    (desk.out / name).write_text("kept")


def own_source(desk: Desk, *more: str) -> list[object]:
    clip = Path(shutil.copy(desk.good.clip, desk.out / "o.mp4"))
    return desk.edit(*more, clip=clip)


def no_cuda(arguments: list[object]) -> list[object]:
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    return arguments


def beside(desk: Desk, name: str, arguments: list[object]) -> list[object]:
    occupied(desk, name)
    return arguments


def keypoints(width: int, height: int, *, frames: int) -> str:
    """A keypoint file of so many frames without people."""
    content = {"version": 1, "width": width, "height": height, "rate": 8, "frames": [{"people": []}] * frames}
    return json.dumps(content)
