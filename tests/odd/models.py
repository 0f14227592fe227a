"""Folders and files of models, LoRAs, adapters and sound encoders with something in them that no tool writes."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from pathlib import Path
from random import Random
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from tests.odd.case import Case, Desk, Make, drawn
from tests.odd.values import json_text, plain, text, value

CONFIGS = (
    "unet/config.json", "vae/config.json", "text_encoder/config.json", "tokenizer/tokenizer_config.json",
    "tokenizer/vocab.json", "tokenizer/special_tokens_map.json", "scheduler/scheduler_config.json", "model_index.json",
)  # fmt: skip
WEIGHTS = (
    "unet/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.safetensors",
    "text_encoder/model.safetensors",
)  # fmt: skip
ADDED = ("_attn_implementation", "quantization_config", "auto_map", "torch_dtype", "encoder_hid_dim", "dropout", "x")
"""Keys that a config mostly lacks."""


def spoilt(read: Any, random: Random) -> Any:
    """What a JSON file holds, with one or two of its values changed."""
    if not isinstance(read, dict):
        return value(random)
    for _ in range(random.choice((1, 1, 2))):
        key = random.choice([*read, random.choice(ADDED)])
        if random.random() < 0.1:
            read.pop(key, None)
        elif isinstance(read.get(key), list) and read[key] and random.random() < 0.5:
            read[key][random.randrange(len(read[key]))] = value(random)
        else:
            read[key] = value(random)
    return read


def spoil_json(path: Path, random: Random) -> None:
    path.write_text(json.dumps(spoilt(json.loads(path.read_text()), random)))


def spoil_tensors(tensors: dict[str, Tensor], random: Random) -> dict[str, Tensor]:
    """One or two tensors of another shape, kind, scale or name; or all of them scaled."""
    if random.random() < 0.2:
        factor = random.choice((0.0, 30.0, 1e30, -1.0, 1e-30))
        return {name: each * factor if each.is_floating_point() else each for name, each in tensors.items()}
    dtypes = (torch.int8, torch.bool, torch.float64, torch.float16, torch.float8_e4m3fn, torch.int64, torch.complex64)
    for _ in range(random.choice((1, 1, 2))):
        name = random.choice(sorted(tensors))
        tensor = tensors.pop(name)
        changes: list[dict[str, Tensor]] = [
            {},
            {name: tensor.flatten()},
            {name: tensor[..., None]},
            {name: torch.zeros(random.choice(((), (0,), (3, 0, 5))))},
            {name: tensor.to(random.choice(dtypes))},
            {name: tensor * random.choice((torch.nan, torch.inf, 0, 1e30, 30))},
            {plain(text(random)): tensor},
            {name: tensor, "x" * random.choice((10, 1_000_000)): tensor.clone()},
            {name.replace(".0.", ".99999999999."): tensor},
            {name: tensor, f"{name}\x1b[2J": torch.zeros(1)},
        ]
        tensors |= random.choice(changes)
        if not tensors:
            return {"x": torch.zeros(1)}
    return tensors


def spoil_file(path: Path, random: Random) -> None:
    """A safetensors file with changed tensors, or with words changed in its header."""
    with safe_open(path, "pt") as file:
        words = dict(file.metadata() or {})
    tensors = load_file(path)
    if words and random.random() < 0.6:
        key = random.choice(sorted(words))
        try:
            inner = json.loads(words[key])
        except ValueError:
            inner = None
        ways = [lambda: plain(text(random)), lambda: json_text(random)[:300_000], lambda: json.dumps(value(random))]
        if isinstance(inner, dict):
            ways += [lambda: json.dumps(spoilt(inner, random))] * 9
        words[key] = random.choice(ways)()
    else:
        tensors = spoil_tensors(tensors, random)
    save_file({name: each.contiguous() for name, each in tensors.items()}, path, words or None)


def spoil_bytes(path: Path, random: Random) -> None:
    """A file cut, with bytes changed at random, or with a header that claims what is not there."""
    content = bytearray(path.read_bytes())
    way = random.randrange(5)
    if way == 0:
        content = content[: random.randrange(len(content))]
    elif way == 1:
        for _ in range(random.choice((1, 10, 1000))):
            content[random.randrange(min(len(content), random.choice((64, 5000, len(content)))))] = random.randrange(
                256
            )
    elif way == 2:
        content[:8] = random.choice((0, 1, 2**20, 2**27, 2**40, 2**63 - 1, 2**64 - 1)).to_bytes(8, "little")
    elif way == 3:
        head = {"a": {"dtype": "F32", "shape": [random.choice((10**12, 2**62, 0))], "data_offsets": [0, 4 * 10**12]}}
        written = json.dumps(head).encode()
        content = bytearray(len(written).to_bytes(8, "little") + written)
    else:
        content = bytearray(json_text(random)[:100_000].encode())
    path.write_bytes(content)


def replace(path: Path, random: Random) -> None:
    """Something else where a file is expected."""
    path.unlink()
    way = random.randrange(8)
    if way == 0:
        os.mkfifo(path)
    elif way == 1:
        path.symlink_to("/dev/zero")
    elif way == 2:
        path.symlink_to(path)
    elif way == 3:
        path.mkdir()
    elif way == 4:
        path.symlink_to(path.parent / "gone")
    elif way == 5:
        path.touch()
        os.truncate(path, random.choice((3 * 2**30, 50 * 2**30)))
    elif way == 6:
        path.symlink_to("/proc/self/mem")
    else:
        path.touch()


def config(desk: Desk, random: Random) -> list[object]:
    model = desk.copy(desk.good.model)
    spoil_json(model / random.choice(CONFIGS), random)
    return desk.generate(model=model)


def config_text(desk: Desk, random: Random) -> list[object]:
    model = desk.copy(desk.good.model)
    (model / random.choice(CONFIGS)).write_text(json_text(random))
    return desk.generate(model=model)


def dry(desk: Desk, random: Random) -> list[object]:
    model = desk.copy(desk.good.model)
    spoil_json(model / random.choice(CONFIGS), random)
    return desk.edit("--dry-run", model=model)


def tensors(desk: Desk, random: Random) -> list[object]:
    model = desk.copy(desk.good.model)
    spoil_file(model / random.choice(WEIGHTS), random)
    return random.choice((desk.generate, desk.edit))(model=model)


def weight_bytes(desk: Desk, random: Random) -> list[object]:
    model = desk.copy(desk.good.model)
    spoil_bytes(model / random.choice(WEIGHTS), random)
    return desk.generate(model=model)


def other_file(desk: Desk, random: Random) -> list[object]:
    model = desk.copy(desk.good.model)
    replace(model / random.choice((*CONFIGS, *WEIGHTS, "tokenizer/merges.txt")), random)
    return desk.generate(model=model)


def pickles(desk: Desk, random: Random) -> list[object]:
    model = desk.copy(desk.good.model)
    weights = model / WEIGHTS[0]
    held = load_file(weights)
    weights.unlink()
    path = weights.with_suffix(".bin")
    wide = {"conv_in.weight": torch.zeros(1).expand(10**12)}
    contents: list[Any] = [
        held, {}, [], {1: torch.zeros(1)}, {"state_dict": held}, {"state_dict": 3}, wide, torch.zeros(3),
        {"a": {"b": 1}}, {"conv_in.weight": torch.zeros(2, 2).to_sparse()},
        {"conv_in.weight": torch.zeros(4, device="meta")},
        held | {"x" * 100_000: torch.zeros(1)}, held | {"conv_in.weight": torch.zeros(1, dtype=torch.complex64)},
    ]  # fmt: skip
    torch.save(random.choice(contents), path, _use_new_zipfile_serialization=random.random() < 0.7)
    way = random.randrange(4)
    if way == 0 and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            entries = {each.filename: archive.read(each) for each in archive.infolist()}
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, entry in entries.items():
                archive.writestr(name, entry + bytes(random.choice((0, 10**8))) if name.endswith("/data/0") else entry)
    elif way == 1:
        spoil_bytes(path, random)
    elif way == 2:
        deep = b"\x80\x04" + b"]" * 100_000 + b"a" * 99_999 + b"."
        path.write_bytes(random.choice((pickle.dumps(value(random)), b"\x80\x02" * 50, deep)))
    return desk.generate(model=model)


def adapter(desk: Desk, random: Random) -> list[object]:
    path = desk.copy(desk.good.adapter)
    random.choice((spoil_file, spoil_file, spoil_file, spoil_bytes, replace))(path, random)
    return desk.generate("--adapter", path)


def lora(desk: Desk, random: Random) -> list[object]:
    path = desk.copy(desk.good.lora)
    scale = random.choice(("", "", "", ":0.5", ":-1", ":nan", ":1e30", ":x", ":", ":1:2", ":0x1"))
    random.choice((spoil_file, spoil_file, spoil_file, spoil_bytes, replace))(path, random)
    return desk.generate("--lora", f"{path}{scale}")


def lora_names(desk: Desk, random: Random) -> list[object]:
    layer = random.choice(("lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q", "unet:0", "x.y"))
    rank = random.choice((0, 1, 2, 1000))
    ends = random.choice(
        ((".lora_down.weight", ".lora_up.weight"), (":down", ":up"), (".lora_A.weight", ".lora_B.weight"))
    )
    made = {layer + ends[0]: torch.ones(rank, 32), layer + ends[1]: torch.ones(32, rank)}
    made[f"{layer}.alpha"] = random.choice(
        (torch.tensor(1.0), torch.zeros(2), torch.tensor(1e38), torch.tensor(3), torch.zeros(0), torch.tensor(True))
    )
    words = {plain(text(random)) or "x": "<embed>"}
    if random.random() < 0.5:
        made |= {name: torch.zeros(random.choice((12, 3))) for name in words}
    save_file(made, desk.given / "l.safetensors", words)
    return desk.generate("--lora", desk.given / "l.safetensors")


def motion(desk: Desk, random: Random) -> list[object]:
    folder = desk.copy(desk.good.motion)
    if random.random() < 0.6:
        spoil_json(folder / "config.json", random)
    else:
        spoil_file(folder / "diffusion_pytorch_model.safetensors", random)
    return desk.generate("--motion-adapter", folder)


def original_motion(desk: Desk, random: Random) -> list[object]:
    from tests.backbone import toys

    spoilt = spoil_tensors(toys.original_motion(toys.motion_adapter(desk.good.model)), random)
    path = desk.given / "motion.safetensors"
    save_file({name: each.contiguous() for name, each in spoilt.items()}, path)
    return desk.generate("--motion-adapter", path)


def control(desk: Desk, random: Random) -> list[object]:
    folder = desk.copy(desk.good.control)
    if random.random() < 0.7:
        spoil_json(folder / "config.json", random)
    else:
        spoil_file(folder / "diffusion_pytorch_model.safetensors", random)
    return desk.edit("--control", f"edge:net={folder}")


def sound_encoder(desk: Desk, random: Random) -> list[object]:
    path = desk.copy(desk.good.mini / "sound_encoder.safetensors")
    spoil_file(path, random)
    return desk.generate("--audio", desk.good.sound, "--sound-encoder", path, model="mini")


def notes(desk: Desk, random: Random) -> list[object]:
    model = desk.copy(desk.good.model)
    told: dict[str, Any] = {
        "about": "toys",
        "vae_floor_db": 20.0,
        "learning_rate": 1e-3,
        "controls": {"edge": "x"},
        "sound_encoder": "s",
    }
    whole = json_text(random) if random.random() < 0.2 else json.dumps(spoilt(told, random))
    (model / "vedit.json").write_text(whole)
    return desk.edit("--control", "edge", model=model) if random.random() < 0.5 else desk.generate(model=model)


def single_file(desk: Desk, random: Random) -> list[object]:
    from tests.backbone import toys

    folder = desk.copy(desk.good.model)
    path = toys.original_file(folder, folder.with_suffix(".safetensors"))
    spoil_file(path, random)
    return desk.generate("--dry-run", model=path) if random.random() < 0.3 else desk.generate(model=path)


MAKERS: dict[str, Make] = {
    "config": config,
    "tensors": tensors,
    "config again": config,
    "adapter": adapter,
    "lora": lora,
    "config text": config_text,
    "weight bytes": weight_bytes,
    "other file": other_file,
    "pickles": pickles,
    "lora names": lora_names,
    "motion_adapter": motion,
    "original motion": original_motion,
    "control": control,
    "sound encoder": sound_encoder,
    "notes": notes,
    "single file": single_file,
    "dry run": dry,
}


def cases(count: int) -> list[Case]:
    return drawn("models", MAKERS, count)
