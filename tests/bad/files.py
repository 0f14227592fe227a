"""What is wrong with outputs and files of settings, and with running a sidecar again."""

from __future__ import annotations

import os

from tests.bad.case import Case
from tests.bad.things import UNET, beside, own_source, pictures, with_config

FILES: dict[str, Case] = {
    "missing folder": (lambda d: d.edit("-o", d.out / "no" / "o.mp4"), "no does not exist", "make it first"),
    "a file as folder": (
        lambda d: beside(d, "file", d.edit("-o", d.out / "file" / "o.mp4")),
        "file does not exist",
        "another place",
    ),
    "a sheet among the clip's pictures": (
        lambda d: d.edit("--sheet", pictures(d, (8, 8)) / "s.png", clip=d.bad / "pictures"),
        "s.png would become a picture of the clip",
        "another place",
    ),
    "the settings of another output": (
        lambda d: beside(d, "o.yaml", d.edit("-o", d.out / "o.mov")),
        "the settings of o.mov go there",
        "--overwrite",
    ),
    "the output exists": (lambda d: beside(d, "o.mp4", d.edit()), "o.mp4 exists already", "--overwrite"),
    "the sidecar exists": (lambda d: beside(d, "o.yaml", d.edit()), "o.yaml exists already", "--overwrite"),
    "the sheet exists": (
        lambda d: beside(d, "s.png", d.edit("--sheet", d.out / "s.png")),
        "s.png exists already",
        "--overwrite",
    ),
    "output onto the clip": (lambda d: own_source(d), "is the clip itself", "another place"),
    "output over the clip": (lambda d: own_source(d, "--overwrite"), "is the clip itself", "another place"),
    "a folder of other files": (
        lambda d: d.edit("-o", pictures(d, (8, 8)), "--overwrite"),
        "is not replaced",
        "choose another name",
    ),
    "unknown output": (lambda d: d.edit("-o", d.out / "o.wmv"), ".wmv cannot be written", "use .mp4"),
    "no name of an output": (lambda d: d.edit("-o", "."), ".:", "expected a name"),
    "a name too long": (lambda d: d.edit("-o", d.out / f"{'o' * 300}.mp4"), "ooo", "expected a name"),
    "a name that is not UTF-8": (
        lambda d: d.edit("-o", d.out / os.fsdecode(b"o-\xff.mp4")),
        "udcff.mp4'",
        "expected a name in UTF-8",
    ),
    "a damaged checkpoint": (
        lambda d: beside(
            d,
            "a.checkpoint.pt",
            ["tune", d.good.clip, "--prompt", "a", "--model", d.good.model, "-o", d.out / "a.safetensors"],
        ),
        "a.checkpoint.pt is damaged",
        "delete it",
    ),
    "a codec for larger pictures": (
        lambda d: d.edit("--codec", "libx265"),
        "libx265 does not encode pictures of 46x30",
        "use libx264",
    ),
    "a codec that does not fit": (
        lambda d: d.edit("-o", d.out / "o.webm", "--codec", "libx265"),
        ".webm cannot hold libx265",
        "leave --codec",
    ),
    "a sheet as .jpg": (lambda d: d.edit("--sheet", d.out / "s.jpg"), "s.jpg", "written as .png"),
    "rerun of a clip": (lambda d: ["rerun", d.good.clip], "is not text", "expected a YAML file"),
    "rerun of settings": (
        lambda d: ["rerun", d.file("s.yaml", "steps: 1\n")],
        "is not a sidecar",
        "with --config",
    ),
    "rerun without a source": (
        lambda d: ["rerun", d.sidecar(clip="gone.mp4"), "-o", d.out / "o.mp4"],
        "gone.mp4 does not exist",
        "expected a video file",
    ),
    "rerun over its result": (
        lambda d: ["rerun", sidecar := d.sidecar(), "-o", sidecar.with_suffix(".mp4")],
        "o.yaml exists already",
        "--overwrite",
    ),
    "rerun of a later version": (
        lambda d: ["rerun", d.sidecar(vedit="9.0.0", zoom="2"), "-o", d.out / "o.mp4"],
        "zoom: there is no such setting",
        "written by vedit 9.0.0, and this is",
    ),
    "the settings file itself": (
        lambda d: d.edit("--config", d.file("o.yaml", "steps: 1"), "-o", d.bad / "o.mp4", "--overwrite"),
        "o.yaml is the config itself",
        "another place",
    ),
    "a scaled LoRA itself": (
        lambda d: d.tune("--lora", f"{d.lora()}:-1", "-o", d.bad / "lora.safetensors"),
        "lora.safetensors is the lora itself",
        "another place",
    ),
    "a motion adapter's weights": (
        lambda d: d.tune("--motion-adapter", d.folder(), "-o", d.bad / "model" / f"{UNET}.safetensors"),
        "lies in the folder of the motion adapter",
        "another place",
    ),
    "weights of the model": (
        lambda d: d.tune("--model", d.folder(), "-o", d.bad / "model" / f"{UNET}.safetensors"),
        "lies in the folder of the model",
        "another place",
    ),
    "overwriting by a file": (
        lambda d: with_config(d, "steps: 1\noverwrite: true\n"),
        "settings.yaml:2: overwrite is not taken from a file",
        "--overwrite",
    ),
    "a pipe of settings": (
        lambda d: d.edit("--config", d.pipe("s.yaml")),
        "s.yaml' cannot be read: it is no plain file",
        "expected a YAML file",
    ),
    "a device as settings": (lambda d: ["rerun", "/dev/zero"], "it is no plain file", "expected a YAML file"),
    "rerun of another command": (
        lambda d: ["rerun", d.sidecar(command="tune"), "-o", d.out / "o.mp4"],
        "is not a sidecar",
        "with --config",
    ),
    "reconstruction onto the clip": (
        lambda d: ["invert", *own_source(d)[1:2], "--model", d.good.model, "-o", d.out / "o.mp4", "--overwrite"],
        "is the clip itself",
        "another place",
    ),
}
