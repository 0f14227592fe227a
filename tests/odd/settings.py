"""Flags, files of settings, sidecars, short texts and outputs that nobody means."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from random import Random

import yaml

from tests.odd.case import Case, Desk, Make, drawn
from tests.odd.values import TEXTS, json_text, plain, text, value
from vedit.config import EditConfig, GenerateConfig, InvertConfig, Settings, TuneConfig

JOBS: dict[str, type[Settings]] = {
    "edit": EditConfig, "generate": GenerateConfig, "invert": InvertConfig, "tune": TuneConfig,
}  # fmt: skip
COSTLY = {
    "steps",
    "frames",
    "size",
    "width",
    "height",
    "tune",
    "inversion_corrections",
    "rate",
    "fps",
    "audio_duration",
}
"""Settings whose large values are meant: what they cost is no fault. Their odd values are short."""


def job(desk: Desk, command: str) -> list[object]:
    """A quick job that works."""
    if command == "edit":
        return desk.edit()
    if command == "generate":
        return desk.generate()
    common = [desk.good.clip, "--model", desk.good.model, "--size", 16, "--frames", 2, "--steps", 1]
    if command == "invert":
        return ["invert", *common, "--no-cache"]
    return ["tune", *common, "--prompt", "a cat", "-o", desk.out / "a.safetensors"]


def fields(command: str) -> list[str]:
    return sorted(name for name in JOBS[command].model_fields if name not in ("clip", "prompt"))


def odd(name: str, random: Random) -> str:
    """A word for a flag."""
    if name in COSTLY:
        return random.choice(("", "-1", "0", "nan", "inf", "1.5", "x", "1e30", "99999999999999999999", "1", "2"))
    return text(random)


def flag(desk: Desk, random: Random) -> list[object]:
    command = random.choice(sorted(JOBS))
    words = job(desk, command)
    for _ in range(random.choice((1, 1, 2, 5))):
        name = random.choice(fields(command))
        words += [f"--{name.replace('_', '-')}={odd(name, random)}"]
    return words


def words(desk: Desk, random: Random) -> list[object]:
    """Any words in any order."""
    command = random.choice((*JOBS, "inspect", "rerun", "parts", "compare", "batch", ""))
    given = [str(each) for each in job(desk, command)] if command in JOBS else [command]
    for _ in range(random.choice((1, 3))):
        given.insert(random.randrange(1, len(given) + 1), text(random))
    return list(given)


def prompt(desk: Desk, random: Random) -> list[object]:
    said = random.choice(
        (text(random), "x" * 19_000, "a " * 1_900, "\u0301" * 3_000, "猫" * 15_000, "<|endoftext|> " * 500)
    )
    if random.random() < 0.5:
        return desk.edit("--source-prompt", text(random), "--negative-prompt", said)
    return desk.edit(prompt=said)


def setting(desk: Desk, random: Random) -> list[object]:
    command = random.choice(sorted(JOBS))
    name = random.choice((*fields(command), "control", "condition", "mask", plain(text(random))))
    given = odd(name, random) if name in COSTLY else random.choice((text(random), json.dumps(value(random))[:2000]))
    return [*job(desk, command), "--set", f"{name}={given}"]


def file(desk: Desk, random: Random) -> list[object]:
    """A file of settings with odd values."""
    command = random.choice(sorted(JOBS))
    content: dict[str, object] = {}
    for name in random.sample(fields(command), random.choice((1, 1, 3))):
        given = odd(name, random) if name in COSTLY else value(random)
        content[name] = plain(given) if isinstance(given, str) else given
    path = desk.file(random.choice(("s.yaml", "o.yaml", "s")), yaml.safe_dump(content, allow_unicode=True))
    return [*job(desk, command), "--config", path]


def file_text(desk: Desk, random: Random) -> list[object]:
    """A file that is hardly one of settings."""
    depth = random.choice((100, 5_000, 200_000))
    laughs = "\n".join(f"a{each}: &a{each} [{', '.join([f'*a{each - 1}'] * 9)}]" for each in range(1, 40))
    whole = random.choice(
        [
            "a0: &a0 [x]\n" + laughs,
            "control: &a [*a]",
            "condition: &a {kind: audio, options: *a}",
            "".join(f"key{each}: 1\n" for each in range(80_000)),
            "options: {" + ", ".join(f"k{each}: 1" for each in range(60_000)) + "}",
            "prompt: " + "[" * depth,
            "prompt: " + "{a: " * depth,
            "- " * depth,
            "prompt: " + "x" * 900_000,
            "x" * 900_000 + ": 1",
            "steps: " + "9" * 100_000,
            "steps: 1e999999999",
            "seed: 0x" + "f" * 5_000,
            "seed: 190:20:30\nguidance: 2001-12-14t21:59:43.10-05:00",
            "guidance: !!python/object/apply:os.system [touch x]",
            "guidance: !!binary aGVsbG8=",
            "? [a, b]\n: 1",
            "? {a: 1}\n: 1",
            "1: 2\nnull: 3\ntrue: 4\n1.5: 5",
            "--- \nsteps: 1\n--- \nsteps: 2",
            "steps: 1\nsteps: 2",
            "<<: {steps: 1}",
            "%YAML 9.9\n---\nsteps: 1",
            "\ufeffsteps: 1",
            "steps:\t1",
            json_text(random),
            b"\xff\xfe\x00",
            bytes(random.randrange(256) for _ in range(300)),
        ]
    )
    return [*job(desk, random.choice(sorted(JOBS))), "--config", desk.file("s.yaml", whole)]


def special_file(desk: Desk, random: Random) -> list[object]:
    """A file of settings that is none, or without an end."""
    path = desk.given / "s.yaml"
    way = random.randrange(6)
    if way == 0:
        os.mkfifo(path)
    elif way == 1:
        path.symlink_to(random.choice(("/dev/zero", "/dev/random", "/proc/self/mem", "/proc/kmsg")))
    elif way == 2:
        path.symlink_to(path)
    elif way == 3:
        path.mkdir()
    elif way == 4:
        path.touch()
        os.truncate(path, 2**40)
    return ["rerun", path] if random.random() < 0.5 else [*job(desk, "edit"), "--config", path]


def short_text(desk: Desk, random: Random) -> list[object]:
    """What the short texts of controls, conditioners, words and prompts are made of, in a new order."""
    pieces = ["edge", "audio", "pose", "flow", ":", "=", "@", "-", ",", "[", "]", "0.5", "1", "file", "net=", "{",
              "'", "0-0.6", "0:1, 2s:0.4",
              "loudness", "rain", "2s", "8b", "9" * 20, " ", "&a", "*a", "!!", "x", "strength",
              "\x1b[2J", "²", "/dev/zero", "1e999"]  # fmt: skip
    made = "".join(random.choices(pieces, k=random.choice((1, 2, 4, 7))))
    name = random.choice(("control", "condition", "emphasis", "prompt-at", "mask", "guidance", "noise-walk", "lora"))
    sound = random.choice(([], ["--audio", desk.good.sound]))
    return desk.edit(f"--{name}={random.choice(('', 'edge:', 'audio:', '2s:'))}{made}", *sound)


def timeline(desk: Desk, random: Random) -> list[object]:
    pieces = ["sin", "(", ")", "t", "f", "+", "*", "**", "/", "1", "0", "9", "loudness", "min", ",", "clip", "b", "if",
              "lambda:0", "[", "0:1", "2s:3", ":smooth", "1e300", "-", "j", "'x'", "__import__", ".real", "%", "~",
              " "]  # fmt: skip
    made = "".join(random.choices(pieces, k=random.choice((1, 3, 8, 60))))
    made = random.choice((made, made, text(random), ",".join(f"{each}:1" for each in range(200_000)), "t" * 100_000))
    sound = random.choice(([], ["--audio", desk.good.sound]))
    return ["inspect", "timeline", f" {made}", "--frames", 4, *sound]


def sidecar(desk: Desk, random: Random) -> list[object]:
    """What was written beside a result, changed; with and without another place to write to."""
    config = GenerateConfig(
        prompt="a cat", model=str(desk.good.model), frames=1, steps=1, width=16, height=16, output=Path("o.mp4")
    )
    content = {"command": "generate", "vedit": "0", "made_with": {"model": "x"}} | config.model_dump(mode="json")
    content.pop("overwrite", None)
    victim = desk.file("victim.mp4", "kept")
    for _ in range(random.choice((1, 2))):
        key = random.choice([*sorted(content), "overwrite", "output", "sheet", "control"])
        if key in ("output", "sheet") and random.random() < 0.7:
            content[key] = random.choice((str(victim), "../victim.mp4", "victim.mp4", "sub/o.mp4", "/tmp/o.mp4"))
            content["overwrite"] = random.choice((True, "yes", False))
        else:
            given = odd(key, random) if key in COSTLY else value(random)
            content[key] = plain(given) if isinstance(given, str) else given
    path = desk.file("sub/o.yaml", yaml.safe_dump(content))
    return ["rerun", path, *random.choice(([], ["-o", desk.out / "o.mp4"]))]


def lying_output(desk: Desk, random: Random) -> list[object]:
    """An output that is one of the inputs, which may be overwritten by its flag: they are never."""
    model, clip, lora = desk.copy(desk.good.model), desk.copy(desk.good.clip), desk.copy(desk.good.lora)
    config = desk.file("o.yaml", f"lora: [{lora.name}]\n")
    (desk.given / "lora").mkdir()
    inner = Path(shutil.copy(lora, desk.given / "lora" / "pytorch_lora_weights.safetensors"))
    mask = Path(shutil.copy(desk.good.clip, desk.given / "mask.mp4"))
    link = desk.given / "link.safetensors"
    link.symlink_to(lora)
    weights = model / "unet" / "diffusion_pytorch_model.safetensors"
    tune = ["tune", clip, "--model", model, "--size", 16, "--frames", 2, "--steps", 1, "--prompt", "a", "--overwrite"]
    edit = [*desk.edit(clip=clip, model=model), "--overwrite"]
    choices: list[list[object]] = [
        [*tune, "-o", weights],
        [*tune, "-o", model / "text_encoder" / "model.safetensors"],
        [*tune, "--lora", f"{lora}:{random.choice(('-1', '0.5', '1e-1', '+1'))}", "-o", lora],
        [*tune, "--lora", lora, "-o", link],
        [*tune, "--lora", inner.parent, "-o", inner],
        [*tune, "--lora", link, "-o", lora],
        [*edit, "--config", config, "-o", desk.given / "o.mp4"],
        [*edit, "--mask", mask, "-o", mask],
        [*edit, "-o", clip],
        [*edit, "--control", f"edge:{mask}", "-o", mask],
        [*edit, "--sheet", clip],
        [*edit, "--audio", mask, "-o", mask],
        [*edit, "--condition", f"audio:file={mask}", "-o", mask],
    ]
    return random.choice(choices)


def output(desk: Desk, random: Random) -> list[object]:
    """A place to write to that is none."""
    names = [
        *TEXTS,
        "a/b/c.mp4",
        "o.mp4/",
        "o.MP4",
        "o.gif",
        "o.png",
        "o.mp4\n",
        ".mp4",
        "o.yaml",
        "-.mp4",
        "/o.mp4x",
        "\0",
    ]
    name = random.choice(names).replace("/dev/null", "x/y")
    if random.random() < 0.5:
        return desk.generate("-o", desk.out / name.lstrip("/~.") if name.strip("/~.") else desk.out)
    return desk.generate("--sheet", desk.out / name.lstrip("/~."))


MAKERS: dict[str, Make] = {
    "flag": flag,
    "file": file,
    "setting": setting,
    "short text": short_text,
    "timeline": timeline,
    "file text": file_text,
    "sidecar": sidecar,
    "lying output": lying_output,
    "prompt": prompt,
    "words": words,
    "output": output,
    "special file": special_file,
}


def cases(count: int) -> list[Case]:
    return drawn("settings", MAKERS, count)
