"""Speed and memory on a CUDA machine at Stable Diffusion 1.5's real size: ``python -m benchmarks.gpu``.

Random weights: speed does not depend on what was learned. The first table has one UNet call on a clip with guidance
(two branches): diffusers' own UNet on the same batch of frames, which knows nothing of clips, then vedit's attention
kinds and kernels. The limit is the arithmetic counted in the call over the rate that a large product reaches on the
same GPU in this run. The second has whole jobs: a step of inversion, of a guided edit and of tuning, and the default
edit and that of `--fast` from frames to frames.

The first table needs torch, diffusers, transformers, typer, rich, pydantic and pyyaml; the second PyAV too. Without a
GPU, ``--device cpu --width 32 --size 64 --frames 2`` tries that it runs.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch.utils.flop_counter import FlopCounterMode
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from benchmarks.record import record
from benchmarks.table import show
from vedit.attention.context import StepContext
from vedit.attention.kernels import KERNELS, best_kernel
from vedit.attention.kinds import AttentionKind, PerFrame, SparseCausal
from vedit.attention.processors import FrameProcessor
from vedit.backbone import temporal
from vedit.backbone.loading import for_inference
from vedit.backbone.model import Backbone
from vedit.backbone.model_files import MINI
from vedit.prompt import Prompt

STABLE_DIFFUSION = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "steps_offset": 1}


@dataclass
class Machine:
    """Where the measurements are made, and how often each."""

    device: torch.device
    dtype: torch.dtype
    repeats: int

    def measure(self, call: Callable[[], object]) -> tuple[float, float]:
        """Milliseconds, the median of the repeats after one that is not counted, and the most GiB that were held."""
        call()
        times = []
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        for _ in range(self.repeats):
            self._settle()
            begun = time.perf_counter()
            call()
            self._settle()
            times.append(1000 * (time.perf_counter() - begun))
        held = torch.cuda.max_memory_allocated(self.device) / 2**30 if self.device.type == "cuda" else float("nan")
        return statistics.median(times), held

    def rate(self) -> float:
        """FLOP a second of a large square product."""
        side = 8192 if self.device.type == "cuda" else 512
        a, b = (torch.randn((side, side), device=self.device, dtype=self.dtype) for _ in range(2))
        return 2 * side**3 / (self.measure(lambda: a @ b)[0] / 1000)

    def _settle(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


@dataclass
class Row:
    """One measurement: milliseconds, GiB at most, and the arithmetic in it."""

    title: str
    ms: float
    held: float
    flop: float = float("nan")


def unet_of(width: int, machine: Machine) -> UNet2DConditionModel:
    """Stable Diffusion 1.5's network (at width 320), with random weights."""
    blocks = (width, 2 * width, 4 * width, 4 * width)
    with machine.device:  # where random numbers are drawn in no time
        net = UNet2DConditionModel(block_out_channels=blocks, cross_attention_dim=768)
    return for_inference(net, machine.device, machine.dtype)


def calls(width: int, frames: int, side: int, machine: Machine) -> list[Row]:
    """One UNet call, by attention kind and kernel. Plain arithmetic comes last: it may run out of memory."""
    network, rows = unet_of(width, machine), []
    x = torch.randn((2 * frames, 4, side, side), device=machine.device, dtype=machine.dtype)
    text = torch.randn((2 * frames, 77, 768), device=machine.device, dtype=machine.dtype)
    context = StepContext(PerFrame(), "sdpa", frames=frames)

    @torch.no_grad()
    def call() -> torch.Tensor:
        return network(x, 500, text).sample

    def add(title: str, kernel: str = "sdpa") -> None:
        # Counted with torch's own attention, whose arithmetic every kernel has: xformers' is not counted.
        context.kernel = "sdpa"
        with FlopCounterMode(display=False) as counter:
            call()
        context.kernel = kernel
        try:
            rows.append(Row(title, *machine.measure(call), counter.get_total_flops()))
        except torch.OutOfMemoryError:
            rows.append(Row(f"{title}: out of memory", float("nan"), float("nan")))

    add("diffusers, frame by frame")
    for block in temporal.transformer_blocks(network):
        block.attn1.set_processor(FrameProcessor(context, across_frames=True))
        block.attn2.set_processor(FrameProcessor(context, across_frames=False))
    kernels = [kernel for kernel in KERNELS if usable(kernel, machine)]
    kinds: tuple[AttentionKind, ...] = (PerFrame(), SparseCausal())
    chosen = best_kernel(machine.device, machine.dtype)
    for kernel in sorted(kernels, key=lambda name: name == "math"):
        if kernel == "math":
            temporal_row(network, context, chosen, add)
        for kind in kinds:
            context.kind = kind
            add(f"{type(kind).__name__}, {kernel}", kernel)
    return rows


def temporal_row(
    network: UNet2DConditionModel, context: StepContext, kernel: str, add: Callable[[str, str], None]
) -> None:
    """With temporal attention, whose output is not left at zero: products of zeros are quicker."""
    handles = temporal.attach_temporal(network, context)
    for layer in temporal.temporal_layers(network):
        torch.nn.init.normal_(layer.to_out[0].weight, std=0.02)
    context.kind = SparseCausal()
    add(f"SparseCausal and temporal attention, {kernel}", kernel)
    for handle in handles:
        handle.remove()
    temporal.detach_temporal(network)


def usable(kernel: str, machine: Machine) -> bool:
    if kernel != "xformers":
        return True
    return find_spec("xformers") is not None and best_kernel(machine.device, machine.dtype) == "xformers"


def backbone_of(width: int, machine: Machine) -> Backbone:
    """Stable Diffusion 1.5 (at width 320) with random weights, and the miniature's few words."""
    side = max(32, 128 * width // 320)
    words = CLIPTextConfig(
        hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, hidden_act="quick_gelu"
    )
    with machine.device:
        vae = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
            block_out_channels=(side, 2 * side, 4 * side, 4 * side), layers_per_block=2, latent_channels=4,
        )  # fmt: skip
        text_encoder = CLIPTextModel(words)
    tokenizer = CLIPTokenizer.from_pretrained(str(MINI / "tokenizer"), local_files_only=True)
    tokenizer.model_max_length = 77
    return Backbone(
        vae=vae,
        text_encoder=for_inference(text_encoder, machine.device, machine.dtype),
        tokenizer=tokenizer,
        unet=unet_of(width, machine),
        scheduler_config=STABLE_DIFFUSION,
        name="random",
    )


def jobs(width: int, frames: int, size: int, machine: Machine) -> list[Row]:
    """Steps of whole jobs, and the default edit."""
    import vedit
    from vedit.priors.inversion import invert, passes
    from vedit.sampling.denoising import denoise
    from vedit.sampling.guiders import ClassifierFree
    from vedit.tuning.one_shot import tune

    backbone, steps = backbone_of(width, machine), 4
    pixels = torch.rand((frames, 3, size, size), generator=torch.Generator().manual_seed(0))
    latents = backbone.encode(pixels)
    text, prompt, none = backbone.embed(["a red star", "a blue star", ""]).split(1)
    once = Machine(machine.device, machine.dtype, 1)

    def run(title: str, call: Callable[[], object], times: int, by: Machine = machine) -> Row:
        ms, held = by.measure(call)
        return Row(title, ms / times, held)

    with backbone.attending("sparse_causal"):
        rows = [
            run("VAE, in, a frame", lambda: backbone.encode(pixels), frames),
            run("VAE, out, a frame", lambda: backbone.decode(latents), frames),
            run("inversion, a pass", lambda: invert(backbone, latents, text, steps, corrections=1), passes(steps, 1)),
            run(
                "guided denoising, a step",
                lambda: denoise(
                    backbone, latents, backbone.schedule(steps), ClassifierFree(Prompt(prompt), Prompt(none), 6.0)
                ),
                steps,
            ),
        ]
    clip = vedit.Clip(frames=pixels, rate=Fraction(8))
    settings: dict[str, Any] = {"source_prompt": "a red star", "cache": False, "steps": 25}
    rows.append(run("default edit, 25 steps", lambda: vedit.edit(backbone, clip, "a blue star", **settings), 1, once))
    quick = {key: value for key, value in settings.items() if key != "steps"} | {"fast": True}
    rows.append(run("edit --fast", lambda: vedit.edit(backbone, clip, "a blue star", **quick), 1, once))
    rows.append(run("tuning, a step", lambda: tune(backbone, pixels, "a red star", steps=steps), steps, once))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--dtype", default="float16", choices=["float16", "bfloat16", "float32"])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--width", type=int, default=320, help="channels of the UNet's first level, in steps of 32")
    parser.add_argument("--save", type=Path, help="also write the figures as JSON")
    arguments = parser.parse_args()
    dtype = torch.float32 if arguments.device == "cpu" else getattr(torch, arguments.dtype)
    machine = Machine(torch.device(arguments.device), dtype, arguments.repeats)
    # Convolutions in the numbers that the products are in: by default those of float32 are rounded to TF32. The VAE's,
    # which is in float32 beside any UNet, stay as they are for everyone.
    torch.backends.cudnn.allow_tf32 = dtype != torch.float32
    rate = machine.rate()
    of = f"{arguments.frames} frames of {arguments.size} px, {dtype}, {name_of(machine.device)}"
    rows = calls(arguments.width, arguments.frames, arguments.size // 8, machine)
    lines = []
    for row in rows:
        limit = row.flop / rate * 1000
        shares = [f"{row.ms / rows[0].ms:.2f} x", f"{limit:.0f}", f"{100 * limit / row.ms:.0f} %"]
        lines.append([row.title, f"{row.ms:.0f}", f"{row.held:.1f}", *shares])
    head = ["", "ms", "GiB at most", "against diffusers", "arithmetic at product rate, ms", "share of that rate"]
    show(f"One UNet call, 2 x {of}, product rate {rate / 1e12:.0f} TFLOP/s", head, lines)
    try:
        done = jobs(arguments.width, arguments.frames, arguments.size, machine)
    except ImportError as error:
        print(f"the second table needs PyAV: {error}")
        done = []
    if done:
        show(
            f"Jobs, {of}", ["", "ms", "GiB at most"], [[row.title, f"{row.ms:.0f}", f"{row.held:.1f}"] for row in done]
        )
    if arguments.save:
        kept = [{key: None if value != value else value for key, value in vars(row).items()} for row in [*rows, *done]]
        record(arguments.save, {"settings": of, "rate": rate, "rows": kept})


def name_of(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"


if __name__ == "__main__":
    main()
