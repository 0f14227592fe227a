"""What it saves to compute latents and text once: ``python -m benchmarks.tuning_speed``.

vedit's tuning against the loop of the original Tune-A-Video restated on the same backbone, clip and machine: there the
VAE and the text encoder run at every step and activations are checkpointed. (The original also validates with four
prompts every 100 steps and saves a whole pipeline; neither is counted here.) The two take turns, so that a machine
whose speed drifts treats them alike.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from fractions import Fraction

import torch
from torch import nn

import vedit
import world
from benchmarks.table import show
from vedit.backbone.model import Backbone
from vedit.schedule import training_levels
from vedit.tuning.one_shot import tune, tuned_parameters


def original_steps(backbone: Backbone, clip: vedit.Clip, prompt: str, steps: int) -> None:
    """The training loop of Wu et al. 2023 (train_tuneavideo.py), restated: everything anew at every step."""
    backbone.layers.attach_temporal()
    unet = backbone.unet
    parameters = list(tuned_parameters(unet).values())
    for parameter in parameters:
        parameter.requires_grad_(True)
    unet.train()
    unet.enable_gradient_checkpointing()
    optimizer = torch.optim.AdamW(parameters, lr=3e-5, weight_decay=1e-2)
    levels = training_levels(backbone.scheduler_config).to(backbone.device)
    pixels = (clip.frames * 2 - 1).to(backbone.device)
    with backbone.attending("sparse_causal"):
        for _ in range(steps):
            with torch.no_grad():
                latents = backbone.vae.encode(pixels).latent_dist.sample() * backbone.vae.config.scaling_factor
                text = backbone.embed([prompt])
            time_step = int(torch.randint(len(levels), (1,)))
            noise = torch.randn_like(latents)
            noisy = levels[time_step].noised(latents, noise)
            loss = nn.functional.mse_loss(backbone.predict(noisy[None], time_step, text)[0], noise)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
    unet.disable_gradient_checkpointing()
    unet.eval().requires_grad_(False)


def seconds(run: Callable[[], object], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    started = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--size", type=int, default=128, help="side of the frames in pixels")
    parser.add_argument("--steps", type=int, default=20, help="steps of one turn")
    parser.add_argument("--turns", type=int, default=5)
    arguments = parser.parse_args()
    scene = world.sample_scene(1_000_000, "held_out", frames=arguments.frames)
    frames = torch.from_numpy(world.render(scene, arguments.frames).frames).clamp(0, 1)
    clip = vedit.Clip(frames=frames, rate=Fraction(8)).resized((arguments.size, arguments.size))
    backbone = vedit.load_backbone(arguments.model)
    ways: dict[str, Callable[[], object]] = {
        "the original's loop": lambda: original_steps(backbone, clip, scene.caption, arguments.steps),
        "vedit tune": lambda: tune(backbone, clip.frames, scene.caption, steps=arguments.steps),
    }
    for way in ways.values():
        way()  # warm-up, not counted
    times = {title: [] for title in ways}
    for _ in range(arguments.turns):
        for title, way in ways.items():
            times[title].append(seconds(way, backbone.device) / arguments.steps)
    base = times["the original's loop"]
    rows = []
    for title, values in times.items():
        ratios = [theirs / own for theirs, own in zip(base, values, strict=True)]
        rows.append(
            [title, f"{1000 * statistics.median(values):.0f}", f"{statistics.median(ratios):.2f}",
             f"{min(ratios):.2f} to {max(ratios):.2f}"]
        )  # fmt: skip
    show(
        f"One-shot tuning, {arguments.frames} frames of {arguments.size} px on {backbone.device}, "
        f"{arguments.turns} turns of {arguments.steps} steps",
        ["", "ms a step, median", "times faster, median", "range"],
        rows,
    )


if __name__ == "__main__":
    main()
