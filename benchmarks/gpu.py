"""Speed on a CUDA machine at Stable Diffusion 1.5's real size: ``python -m benchmarks.gpu``.

Random weights: speed does not depend on what was learned. Each row is one UNet call on a clip with guidance (two
branches); the first row is diffusers' own UNet on the same batch of frames, which knows nothing of clips, and the
limit is the arithmetic counted in the call over the rate that a large product reaches on the same GPU in this run.
Needs torch, diffusers and transformers, and vedit's own small needs, nothing else.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from importlib.util import find_spec

import torch
from diffusers import UNet2DConditionModel
from rich.console import Console
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

from vedit.attention.context import StepContext
from vedit.attention.kernels import KERNELS, best_kernel
from vedit.attention.kinds import AttentionKind, PerFrame, SparseCausal
from vedit.attention.processors import FrameProcessor
from vedit.backbone import temporal

CUDA = torch.device("cuda")


def milliseconds(call: Callable[[], object], repeats: int) -> float:
    """Median over ``repeats`` calls after one that is not counted."""
    call()
    times = []
    for _ in range(repeats):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        call()
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end))
    return statistics.median(times)


def peak(dtype: torch.dtype) -> float:
    """FLOP a second of a large square product."""
    side = 8192
    a, b = (torch.randn((side, side), device=CUDA, dtype=dtype) for _ in range(2))
    return 2 * side**3 / (milliseconds(lambda: a @ b, 20) / 1000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--dtype", default="float16", choices=["float16", "bfloat16", "float32"])
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    dtype = getattr(torch, arguments.dtype)
    side = arguments.size // 8
    network = UNet2DConditionModel(cross_attention_dim=768).to(CUDA, dtype).eval().requires_grad_(False)
    x = torch.randn((2 * arguments.frames, 4, side, side), device=CUDA, dtype=dtype)
    text = torch.randn((2 * arguments.frames, 77, 768), device=CUDA, dtype=dtype)

    @torch.no_grad()
    def call() -> torch.Tensor:
        return network(x, 500, text).sample

    rate = peak(dtype)
    rows: list[tuple[str, float, float]] = []

    def measure(title: str) -> None:
        with FlopCounterMode(display=False) as counter:
            call()
        rows.append((title, milliseconds(call, arguments.repeats), counter.get_total_flops() / rate * 1000))

    measure("diffusers, frame by frame")
    context = StepContext(PerFrame(), "sdpa", frames=arguments.frames)
    for block in temporal.transformer_blocks(network):
        block.attn1.set_processor(FrameProcessor(context, across_frames=True))
        block.attn2.set_processor(FrameProcessor(context, across_frames=False))
    kernels = [kernel for kernel in KERNELS if kernel != "xformers" or find_spec("xformers")]
    kinds: tuple[AttentionKind, ...] = (PerFrame(), SparseCausal())
    for kernel in kernels:
        for kind in kinds:
            context.kind, context.kernel = kind, kernel
            try:
                measure(f"{type(kind).__name__}, {kernel}")
            except torch.cuda.OutOfMemoryError:
                torch.cuda.empty_cache()
                print(f"{type(kind).__name__}, {kernel}: out of memory")
    context.kernel = best_kernel(CUDA, dtype)
    temporal.attach_temporal(network, context)
    measure(f"SparseCausal and temporal attention, {context.kernel}")
    table = Table(
        title=f"One UNet call, 2 x {arguments.frames} frames of {arguments.size} px, {arguments.dtype}, "
        f"{torch.cuda.get_device_name()}, product rate {rate / 1e12:.0f} TFLOP/s",
        title_justify="left",
    )
    for name in ("", "ms", "against diffusers", "counted arithmetic at product rate, ms", "share of that rate"):
        table.add_column(name, justify="right" if name else "left")
    for title, found, limit in rows:
        table.add_row(
            title, f"{found:.0f}", f"{found / rows[0][1]:.2f} x", f"{limit:.0f}", f"{100 * limit / found:.0f} %"
        )
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
