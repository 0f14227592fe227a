"""Whether another version of vedit makes the same results again: python -m tools.same_results BEFORE AFTER MODEL WORK

BEFORE and AFTER are two checkouts, MODEL a folder of weights that both read (so that new weights in one of them make no
difference), WORK a folder to write into. BEFORE makes short results from the examples, which between them use every
feature, each with its sidecar. AFTER makes each of them again with `vedit rerun`, so it has to read what BEFORE wrote.
Then the files are compared byte by byte, and the sidecars by the settings that AFTER reads in them. `vedit tune` and
`vedit invert` leave no sidecar: there both checkouts are given the same flags.

What BEFORE has made stays in WORK/before and is not made again there, so that a second check takes half the time. It is
made with the flags below, which BEFORE must know. Both checkouts run with the Python that runs this. Exits with 1 where
anything differs.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

EXAMPLES = Path(__file__).parents[1] / "examples"
STAR, WALKER, STORM, JOINTS = (str(EXAMPLES / name) for name in ("star.mp4", "walker.mp4", "storm.wav", "walker.json"))

SHORT = ["--frames", "3", "--steps", "4"]
EDIT = ["edit", STAR, "a blue star moving left over sand", *SHORT]
SHOWN = ["--source-prompt", "a red star moving left over grass"]

FILES: dict[str, list[str]] = {
    "tune.safetensors": ["tune", STAR, "--prompt", SHOWN[1], "--frames", "2", "--steps", "2"],
    "invert.mp4": ["invert", STAR, *SHOWN, *SHORT, "--attention", "full"],
}
"""What leaves no sidecar, by the name of its file."""

RESULTS: dict[str, list[str]] = {
    "default": [*EDIT, *SHOWN],
    "edge": [*EDIT, *SHOWN, "--control", "edge:[0:1, 2:0.4]@0-0.9", "--control-inversion", "--apg-eta", "0.4"],
    "pose": ["edit", WALKER, "a green person over sand", "--steps", "3", "--control", f"pose:{JOINTS}", "--no-paste"],
    "flow": [*EDIT, *SHOWN, "--control", "flow", "--attention", "flow", "--prior", "flow_warped", "--sheet", "{}.png"],
    "audio": [
        *EDIT,
        *SHOWN,
        "--audio",
        STORM,
        "--emphasis",
        "star=0.5+loudness",
        "--audio-release",
        "0.4",
        "--no-check-inversion",
    ],
    "word": ["edit", STAR, "a (blue:1.3) star", *SHOWN, *SHORT, "--mask", "word:star", "--inversion-corrections", "2"],
    "box": [*EDIT, *SHOWN, "--mask", "box:0.2,0.3,0.5,0.5", "--compare", "{}-compare.mp4", "--compare-layout", "stack"],
    "tuned": [*EDIT, *SHOWN, "--tune", "2", "--prior", "walk", "--noise-walk", "0.3", "--motion-scale", "0:1, 2:0.5"],
    "adapter": [
        *EDIT,
        "--adapter",
        "before/tune.safetensors",
        "--prompt-at",
        "2:a green star",
        "--prompt-blend",
        "f/4",
    ],
    "lora": [*EDIT, *SHOWN, "--lora", "lora.safetensors:0.5", "--condition", f"audio:file={STORM}", "--cache"],
    "generate": [
        "generate",
        "a red star",
        *SHORT,
        "--audio",
        STORM,
        "--guidance",
        "3+4*loudness",
        "--audio-attack",
        "0.1",
    ],
    "schedule": [
        "generate",
        "a star",
        *SHORT,
        "--fps",
        "12",
        "--prompt-at",
        "2:snow over grass",
        "--negative-prompt",
        "rain",
    ],
}
"""What leaves a sidecar; {} stands for the result's name without its suffix."""

SETTINGS = """
import json, sys
from pathlib import Path
from vedit.jobs.rerun import rerun_config
for path in sys.argv[1:]:
    print(json.dumps(rerun_config(Path(path), "same.mp4")[0].model_dump(mode="json")))
"""
"""For AFTER: the settings in several sidecars, one a line, as if all were written to one place."""


def main(before: Path, after: Path, model: Path, work: Path) -> int:
    """Make all results with both checkouts and tell which differ; the number of those is returned."""
    for name in ("before", "after"):
        (work / name).mkdir(parents=True, exist_ok=True)
    shutil.rmtree(work / "after")
    (work / "after").mkdir()
    if not (work / "lora.safetensors").exists():
        write_lora(model, work / "lora.safetensors")
    common, differing = ["--model", str(model)], []
    for name, arguments in FILES.items():
        for checkout, folder in ((before, "before"), (after, "after")):
            if not (work / folder / name).exists():
                run(checkout, work, ["-m", "vedit", *arguments, *common, "-o", f"{folder}/{name}"])
        differing += compare(work, [name])
    for name, arguments in RESULTS.items():
        if not (work / "before" / f"{name}.yaml").exists():
            given = [each.replace("{}", f"before/{name}") for each in arguments]
            run(before, work, ["-m", "vedit", *given, *common, "-o", f"before/{name}.mp4"])
        run(after, work, ["-m", "vedit", "rerun", f"before/{name}.yaml", "-o", f"after/{name}.mp4"])
        written = sorted(each.name for each in (work / "before").glob(f"{name}*") if each.suffix != ".yaml")
        differing += compare(work, written)
    for name in RESULTS:
        one, other = run(after, work, ["-c", SETTINGS, f"before/{name}.yaml", f"after/{name}.yaml"]).splitlines()
        if one != other:
            differing.append(f"{name}.yaml")
            print(f"{name}.yaml: {sorted(dict_difference(json.loads(one), json.loads(other)))} differ")
    print(f"{len(differing)} differ: {', '.join(differing)}" if differing else "all the same")
    return len(differing)


def run(checkout: Path, work: Path, arguments: list[str]) -> str:
    """What a program of a checkout prints. Each checkout has a cache of its own, or the second would invert nothing."""
    environment = {"PYTHONPATH": str(checkout), "VEDIT_CACHE": str(work / f"cache-{checkout.name}")}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=work, env=os.environ | environment, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{checkout}: vedit {' '.join(arguments)}\n{done.stderr}")
    return done.stdout


def compare(work: Path, names: list[str]) -> list[str]:
    """Those of the files that are not the same in both folders."""
    found = []
    for name in names:
        one, other = work / "before" / name, work / "after" / name
        same = other.exists() and content(one) == content(other)
        print(f"{name}: {'the same' if same else 'DIFFERS'}", flush=True)
        found += [] if same else [name]
    return found


def content(path: Path) -> object:
    """A file's bytes; of safetensors, whose metadata are written in any order, what those and the tensors are."""
    if path.suffix != ".safetensors":
        return path.read_bytes()
    with safe_open(path, framework="numpy") as file:
        return file.metadata(), {name: file.get_tensor(name).tobytes() for name in file.keys()}  # noqa: SIM118


def dict_difference(one: dict[str, object], other: dict[str, object]) -> set[str]:
    return {key for key in one.keys() | other.keys() if one.get(key) != other.get(key)}


def write_lora(model: Path, path: Path) -> None:
    """A LoRA of rank 2 on the queries of every self-attention of the model's UNet, with seeded numbers."""
    generator = torch.Generator().manual_seed(0)
    tensors = {}
    with safe_open(model / "unet" / "diffusion_pytorch_model.safetensors", framework="pt") as file:
        for name in file.keys():  # noqa: SIM118 (not a mapping)
            if name.endswith("attn1.to_q.weight"):
                out, inside = file.get_slice(name).get_shape()
                stem = f"unet.{name.removesuffix('.weight')}.lora_"
                tensors[f"{stem}A.weight"] = torch.randn(2, inside, generator=generator) * 0.05
                tensors[f"{stem}B.weight"] = torch.randn(out, 2, generator=generator) * 0.05
    save_file(tensors, path)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    sys.exit(bool(main(*(Path(each).resolve() for each in sys.argv[1:]))))
