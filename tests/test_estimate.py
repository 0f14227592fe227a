"""``--dry-run``: what a job would cost, told without its weights."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.backbone import toys
from tests.conftest import Ran
from vedit.config import EditConfig
from vedit.estimate import Counted

Command = Callable[..., Ran]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["edit", "CLIP", "a cat", "--source-prompt", "a dog", "--tune", "3", "--steps", "4"], "4 x"),
        (["edit", "CLIP", "a cat", "--prior", "gaussian", "--guidance", "1", "--size", "32"], "worked on at 32x24"),
        (["tune", "CLIP", "--prompt", "a dog", "--steps", "7"], "7 x"),
        (["invert", "CLIP", "--frames", "2"], "2 of 5"),
    ],
)
def test_nothing_is_run_loaded_or_written(
    vedit: Command,
    toy_model: Path,
    toy_clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
    said: str,
) -> None:
    model = shutil.copytree(toy_model, tmp_path / "model", ignore=shutil.ignore_patterns("*.safetensors"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    ran = vedit(*[str(toy_clip) if each == "CLIP" else each for each in command], "--model", model, "--dry-run")
    assert ran.status == 0, ran.err
    assert list(Path.cwd().iterdir()) == []
    assert said in ran.out
    for part in ("settings", "FLOP", "memory", "MiB"):
        assert part in ran.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--frames", "6"], "has 5 frames"),
        (["--start", "5"], "has 5 frames"),
        (["--model", "no-such-model"], "no-such-model"),
        (["--device", "cuda:99"], "cuda:99"),
        (["--audio", "no-such.wav"], "no-such.wav does not exist"),
        (["--adapter", "no-such.safetensors"], "no-such.safetensors is not there"),
        (["--lora", "no-such.safetensors"], "no-such.safetensors"),
        (["-o", "taken.mp4"], "taken.mp4 exists already"),
        (["-o", "free.mp4"], "free.yaml exists already"),
        (["-o", "no/such/out.mp4"], "does not exist"),
        (["--sheet", "sheet.jpg"], "written as .png"),
        (["--codec", "libx265"], "libx265 does not encode pictures of 46x30"),
    ],
)
def test_its_faults_are_the_jobs(
    vedit: Command,
    toy_model: Path,
    toy_clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("taken.mp4", "free.yaml"):
        Path(name).touch()
    assert said in vedit("edit", toy_clip, "a cat", "--model", toy_model, *arguments, "--dry-run").complaint
    assert {path.name for path in tmp_path.iterdir()} == {"taken.mp4", "free.yaml"}


def test_controlnets_count(vedit: Command, tmp_path: Path) -> None:
    arguments = ("edit", "examples/star.mp4", "a blue star moving left over sand", "--steps", "10", "--strength", "1")
    alone = vedit(*arguments, "-o", tmp_path / "o.mp4", "--dry-run").out
    control = ("--control", "edge@0-0.6", "--control-inversion", "--refine", "1", "--no-gate")
    steered = vedit(*arguments, *control, "-o", tmp_path / "o.mp4", "--dry-run").out
    assert "ControlNet" not in alone
    times = {line.split("  ")[1]: line.split()[-4] for line in steered.splitlines() if "ControlNet" in line}
    assert times == {"ControlNet edge": "6", "ControlNet edge, inverting": "6"}


def test_outputs_of_every_command_are_checked(vedit: Command, toy_clip: Path, tmp_path: Path) -> None:
    tune = ("tune", toy_clip, "--prompt", "a dog", "-o", tmp_path / "a.mp4")
    assert "written as .safetensors" in vedit(*tune, "--dry-run").complaint
    assert "cannot be written" in vedit("invert", toy_clip, "-o", tmp_path / "a.wmv", "--dry-run").complaint
    sidecar = tmp_path / "o.yaml"
    sidecar.write_text(f"command: edit\nclip: {toy_clip}\nprompt: a cat\noutput: o.mp4\n")
    assert "o.yaml exists already" in vedit("rerun", sidecar, "-o", tmp_path / "o.mp4", "--dry-run").complaint


def test_the_count_is_right_for_stable_diffusion_1_5(toy_model: Path, tmp_path: Path) -> None:
    """Against figures counted on the real networks at 512 x 512, a multiply-add as two operations."""
    model = shutil.copytree(toy_model, tmp_path / "sd15", ignore=shutil.ignore_patterns("*.safetensors"))
    unet = toys.unet_config(4, False, 320) | {"sample_size": 64, "norm_num_groups": 32, "cross_attention_dim": 768}
    (model / "unet" / "config.json").write_text(json.dumps(unet))
    vae = json.loads((model / "vae" / "config.json").read_text())
    vae |= {"block_out_channels": [128, 256, 512, 512], "norm_num_groups": 32, "layers_per_block": 2}
    (model / "vae" / "config.json").write_text(json.dumps(vae))
    text = json.loads((model / "text_encoder" / "config.json").read_text())
    (model / "text_encoder" / "config.json").write_text(json.dumps(text | {"max_position_embeddings": 77}))

    settings = {"clip": "a.mp4", "prompt": "a cat", "attention": "per_frame"}
    counted = Counted(model, EditConfig.model_validate(settings), 1, torch.float16)
    size = (512, 512)
    assert counted.predict(size, 1).flop / 1e12 == pytest.approx(0.803, rel=0.01)
    assert counted.encode(size).flop / 1e12 == pytest.approx(1.117, rel=0.01)
    assert counted.decode(size).flop / 1e12 == pytest.approx(2.515, rel=0.01)
    assert sum(each.numel() for each in counted.unet.parameters()) == pytest.approx(859.5e6, rel=0.001)
