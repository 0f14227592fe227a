"""``--dry-run``: what a job would cost, told without its weights."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch.utils.flop_counter import FlopCounterMode

import vedit as package
from tests.backbone import toys
from tests.conftest import Ran
from vedit import mapped
from vedit.adapters.loading import ModelSpec
from vedit.backbone import model_files
from vedit.errors import DeviceError
from vedit.graph import Work
from vedit.jobs import base, cost, resources
from vedit.jobs.resources import FRAME, FRAMES_HELD
from vedit.machine import disk as machine_disk
from vedit.network_cost import NetworkCost
from vedit.stages import clip as clip_stages
from vedit.stages import sampling
from vedit.tuning.one_shot import Blocks

Command = Callable[..., Ran]
BLOCKS: tuple[Blocks, Blocks] = "all", "up"


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
    for part in ("settings", "FLOP", "memory", "disk", "MiB", "are free"):
        assert part in ran.out
    assert ran.out.splitlines()[1].startswith("in all, about")


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


@pytest.mark.parametrize("dry", [["--dry-run"], []])
def test_the_device_is_checked_before_the_hub_is_asked(
    vedit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dry: list[str]
) -> None:
    def ask(*_: object, **__: object) -> None:
        raise AssertionError("the hub was asked")

    monkeypatch.setattr(model_files, "list_repo_files", ask)
    flags = ("--model", "someone/something", "--device", "cuda:99", "-o", tmp_path / "o.mp4")
    assert "this machine has no 'cuda:99'" in vedit("generate", "a cat", *flags, *dry).complaint


def test_controlnets_count(vedit: Command, tmp_path: Path) -> None:
    arguments = ("edit", "examples/star.mp4", "a blue star moving left over sand", "--steps", "10", "--strength", "1")
    alone = vedit(*arguments, "-o", tmp_path / "o.mp4", "--dry-run").out
    control = ("--control", "edge@0-0.6", "--control-inversion", "--inversion-corrections", "1", "--no-check-inversion")
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

    counted = NetworkCost(ModelSpec(model, dtype="float16").outline(weights=False), 1, "per_frame", ())
    size = (512, 512)
    assert counted.predict(size).flop / 1e12 == pytest.approx(0.803, rel=0.01)
    assert counted.encode(size).flop / 1e12 == pytest.approx(1.117, rel=0.01)
    assert counted.decode(size).flop / 1e12 == pytest.approx(2.515, rel=0.01)
    assert sum(each.numel() for each in counted.unet.parameters()) == pytest.approx(859.5e6, rel=0.001)


def test_what_cannot_fit_is_refused_before_any_work(
    vedit: Command, toy_clip: Path, toy_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (resources, cost):
        monkeypatch.setattr(module, "free_memory", lambda: 2**32)
    monkeypatch.setattr(sampling, "denoise", lambda *_, **__: pytest.fail("work has begun"))
    monkeypatch.setattr(clip_stages, "read_clip", lambda *_, **__: pytest.fail("work has begun"))
    huge = ("edit", toy_clip, "a cat", "--model", toy_model, "--size", "8192", "-o", tmp_path / "o.mp4")
    for more in ((), ("--dry-run",)):
        said = vedit(*huge, *more).complaint
        assert "GiB of memory" in said
        assert "are free; take fewer --frames, a larger --stride, or a smaller --size" in said
    made = ("generate", "a cat", "--model", toy_model, "--width", "8192", "-o", tmp_path / "o.mp4")
    for more in (("--frames", 1000), ("--frames", 1000, "--dry-run")):
        assert "take fewer --frames, or a smaller --width and --height" in vedit(*made, *more).complaint
    backbone = package.load_backbone(toy_model, device="cpu")
    with pytest.raises(DeviceError, match="are free"):
        package.edit(backbone, toy_clip, "a cat", size=8192)
    monkeypatch.setattr(resources, "free_memory", lambda: 2**16)
    with pytest.raises(DeviceError, match="and 0 MiB are free"):
        package.edit(backbone, package.read_clip(toy_clip), "a cat")


def test_long_work_is_told_first_and_short_work_is_not(
    vedit: Command, toy_clip: Path, toy_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = ("edit", toy_clip, "a cat", "--model", toy_model, "--steps", 2, "--no-check-inversion", "--no-cache")
    assert "minutes" not in vedit(*quick, "-o", tmp_path / "a.mp4").err
    monkeypatch.setattr(resources, "QUICK", 0)
    assert "minutes" not in vedit(*quick, "-o", tmp_path / "b.mp4").err
    monkeypatch.setattr(resources, "LONG", 0)
    ran = vedit(*quick, "-o", tmp_path / "c.mp4")
    assert ran.status == 0
    first = ran.err.splitlines()[0]
    assert "this takes about" in first
    # 3 passes of the inversion; 1 step of 2 with the source lent, 3 branches, and 1 with 2; 5 frames each.
    assert ": 40 passes of a frame through the network; fewer --steps make it shorter, or take fewer --frames" in first


def test_what_does_not_fit_on_the_disk_is_refused_before_any_work(
    vedit: Command, toy_clip: Path, toy_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine_disk, "free_disk", lambda _: 1000)
    monkeypatch.setattr(clip_stages, "read_clip", lambda *_, **__: pytest.fail("work has begun"))
    quick = ("edit", toy_clip, "a cat", "--model", toy_model, "--steps", 2, "-o", tmp_path / "o.mp4")
    for more in ((), ("--dry-run",)):
        said = vedit(*quick, *more).complaint
        assert "of disk, most of it in" in said
        assert "0 MiB are free; VEDIT_CACHE names another folder for what is kept, and --no-cache keeps nothing" in said
        assert said.endswith("or take fewer --frames, a larger --stride, or a smaller --size.")
    monkeypatch.setattr(mapped, "LARGE", 0)
    assert "TMPDIR names another folder to work in" in vedit(*quick, "--no-cache", "--dry-run").complaint
    monkeypatch.setattr(machine_disk, "free_disk", lambda _: None)
    ran = vedit(*quick, "--no-cache", "--dry-run")
    assert f"while it works  {resources.format_bytes(0)}" not in ran.out
    assert str(mapped.scratch_folder()) in ran.out


def test_a_long_clip_is_told_of_first_however_quick_it_is(
    vedit: Command, toy_clip: Path, toy_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = ("edit", toy_clip, "a cat", "--model", toy_model, "--steps", 2, "--no-check-inversion")
    assert "frames: this takes" not in vedit(*quick, "-o", tmp_path / "a.mp4").err
    monkeypatch.setattr(base, "LONG_CLIP", 5 / 30)
    ran = vedit(*quick, "-o", tmp_path / "b.mp4")
    assert ran.status == 0
    first = ran.err.splitlines()[0]
    assert "the clip is 1 second long, 5 frames: this takes about " in first
    assert " of memory and " in first
    assert "of disk; to take less, take fewer --frames" in first
    backbone = package.load_backbone(toy_model, device="cpu")
    backbone.folder = None  # as of one that was put together in memory
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        package.edit(backbone, toy_clip, "a cat", steps=2, check_inversion=False)
    assert any("the clip is 1 second long, 5 frames: this takes about" in str(each.message) for each in told)


def test_what_lies_in_files_takes_no_memory_for_its_length(toy_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outline, size = ModelSpec(toy_model).outline(), (64, 64)

    def least(frames: int) -> float:
        return resources.least_memory(frames, size, outline.unet, outline.vae_scale_factor, 4, 1, at_once=8)

    assert least(1000) == least(500)
    monkeypatch.setattr(mapped, "LARGE", 2**40)
    assert least(1000) - least(500) == FRAMES_HELD * 500 * 64 * 64 * FRAME


@pytest.mark.parametrize("original", [False, True], ids=["a folder", "AnimateDiff's own file"])
def test_motion_modules_count(tmp_path: Path, original: bool) -> None:
    """Against operations that were counted as they were done."""
    # Motion modules of published adapters have 32 norm groups, so the toy is 32 wide.
    model = toys.sd_folder(tmp_path / "model", levels=2, layers=1, width=32, unet={"norm_num_groups": 32})
    modules, file = toys.motion_adapter(model), tmp_path / "mm.safetensors"
    modules.save_pretrained(tmp_path / "motion")
    save_file(toys.original_motion(modules), file)
    spec = ModelSpec(model, motion_adapter=str(file if original else tmp_path / "motion"))
    backbone = spec.load()
    size, words = (4, 4), backbone.embed(["a cat"])
    shown = torch.zeros(1, 3, 4, *size)
    with FlopCounterMode(display=False) as work, torch.no_grad():
        backbone.predict(shown, 0, words)
    pixels = (size[0] * backbone.vae_scale_factor,) * 2
    counted = NetworkCost(spec.outline(), 3, "per_frame", ())
    still = NetworkCost(ModelSpec(model).outline(), 3, "per_frame", ())
    assert counted.predict(pixels).flop > 1.05 * still.predict(pixels).flop
    assert counted.predict(pixels).flop == pytest.approx(work.get_total_flops(), rel=0.05)
    assert counted.predict(pixels, 1).flop == still.predict(pixels, 1).flop, "a single frame passes them by"
    assert counted.weights() > still.weights()


def test_up_blocks_alone_cost_less_to_learn(toy_model: Path) -> None:
    outline = ModelSpec(toy_model).outline()
    every, up = (NetworkCost(outline, 2, "per_frame", [Work("learning", "", 1, blocks=each)]) for each in BLOCKS)
    assert up.tuned() < every.tuned()
    assert up.learn((64, 64)).flop < every.learn((64, 64)).flop


def test_more_branches_cost_as_much_again(toy_model: Path) -> None:
    """What ``NetworkCost`` takes for granted: activations and operations are those of one branch times their number."""
    outline = ModelSpec(toy_model).outline()
    one, three = (NetworkCost(outline, frames, "per_frame", ()).predict((64, 64)) for frames in (2, 6))
    assert (one * 3).flop == pytest.approx(three.flop, rel=0.02)
    assert (one * 3).bytes == pytest.approx(three.bytes, rel=0.02)


def test_the_least_memory_is_less_than_what_is_counted(toy_model: Path) -> None:
    for model in (Path("vedit/miniature/weights"), toy_model):
        outline = ModelSpec(model).outline()
        counted = NetworkCost(outline, 4, "sparse_causal", ())
        size = (128, 128)
        frames = FRAMES_HELD * 4 * 128 * 128 * FRAME
        least = resources.least_memory(4, size, outline.unet, counted.vae_scale_factor, 4, 1) - frames
        assert 0.4 * counted.predict(size).bytes < least < 1.2 * counted.predict(size).bytes
