"""Stage 3, ControlNets on the frozen miniature: ``python -m training.control --kind edge`` (pose, flow).

Each is small and reads no words: residual blocks alone, beginning as a copy of the UNet's. What it is shown is vedit's
own drawing: edges of the rendered frame, the figure's exact joints, the exact flow. Half of the prompts are empty, as
in ControlNet (Zhang et al. 2023, section 3.4), and errors count as errors of v, since what a control decides is the
layout, of which errors of epsilon hardly speak.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from diffusers import ControlNetModel, DDIMScheduler
from safetensors.torch import load_file
from torch import Tensor
from transformers import CLIPTokenizer

from training.captions import sentence
from training.data import draw_scene
from training.diffusion import OFFSET_NOISE, SCHEDULE, Denoiser
from training.loop import Recipe, load_average, start_workers, train
from training.poses import exact
from training.presets import PRESETS, Preset
from vedit.annotators.edge import Edge
from vedit.annotators.pose.drawing import draw
from vedit.clip import Clip
from vedit.miniature import world
from vedit.miniature.world.scene import Scene

BATCH = 32
EMPTY = 0.5
"""Share of the prompts that are empty."""

HEAVIEST = 20.0
"""Most that an error counts: v's own weight, 1 / alpha_bar, grows without end towards pure noise."""

Draw = Callable[[Scene, int, np.random.Generator], Tensor]
"""(scene, frame, chance) -> control picture (3, H, W) in [0, 1]."""


def build_control(preset: Preset) -> ControlNetModel:
    """Beside a UNet of three levels: its residual blocks without the transformers."""
    return ControlNetModel(
        block_out_channels=preset.unet_channels,
        layers_per_block=1,
        down_block_types=("DownBlock2D",) * 3,
        mid_block_type="UNetMidBlock2D",
        cross_attention_dim=preset.text_width,
        norm_num_groups=16,
        conditioning_embedding_out_channels=(8, 16, 32, 32),
    )


def draw_edge(scene: Scene, time: int, chance: np.random.Generator) -> Tensor:
    frame, _ = world.draw_frame(scene, time, scene.intensity)
    return Edge().annotate(Clip(torch.from_numpy(frame).clamp(0, 1)[None], Fraction(8))).frames[0]


def draw_pose(scene: Scene, time: int, chance: np.random.Generator) -> Tensor:
    return draw(exact(scene, time))[0]


def draw_flow(scene: Scene, time: int, chance: np.random.Generator) -> Tensor:
    from vedit.annotators.flow import draw_flow as draw_on_wheel

    flow = torch.from_numpy(world.exact_flow(scene, time))
    largest = float(flow.norm(dim=0).max())
    return draw_on_wheel(flow[None], scale=largest * float(chance.uniform(0.9, 1.4)))[0]


DRAW: dict[str, Draw] = {"edge": draw_edge, "pose": draw_pose, "flow": draw_flow}


def load_pool(folder: Path, kind: str) -> tuple[Tensor, list[Scene], list[int]]:
    """Latents (B, 4, h, w), scenes, and the frame of each; for pose, figures mostly."""
    shards = [load_file(path) for path in sorted(folder.glob("pool*.safetensors"))]
    latents, seeds = (torch.cat([shard[key] for shard in shards]) for key in ("latents", "seeds"))
    scenes = [draw_scene(seed, 0.0) for seed in seeds.tolist()]
    keep = [
        index
        for index, scene in enumerate(scenes)
        if kind != "pose" or scene.objects[0].shape == "person" or index % 40 == 0
    ]
    return latents[keep], [scenes[index] for index in keep], [int(seeds[index]) % 8 for index in keep]


def train_control(kind: str, diffusion: Path, out: Path, preset: Preset, recipe: Recipe, device: torch.device) -> None:
    tokenizer = CLIPTokenizer.from_pretrained(diffusion / "tokenizer")
    base = Denoiser(preset, tokenizer)
    load_average(base, diffusion / "unet.pt")
    base = base.to(device).eval().requires_grad_(False)
    torch.manual_seed(0)
    control = build_control(preset)
    control.load_state_dict(base.unet.state_dict(), strict=False)
    control = control.to(device).train()
    latents, scenes, times = load_pool(diffusion, kind)
    alpha_bar = DDIMScheduler(**SCHEDULE).alphas_cumprod.to(device)

    def loss(step: int, generator: torch.Generator) -> Tensor:
        chosen = torch.randint(0, len(scenes), (BATCH,), generator=generator)
        chance = np.random.default_rng(int(torch.randint(0, 2**40, (1,), generator=generator)))
        clean, texts, shown = latents[chosen].float(), [], []
        for index in chosen.tolist():
            texts.append("" if chance.random() < EMPTY else sentence(scenes[index], chance))
            shown.append(DRAW[kind](scenes[index], times[index], chance))
        noise = torch.randn(clean.shape, generator=generator)
        noise = noise + OFFSET_NOISE * torch.randn((BATCH, 4, 1, 1), generator=generator)
        t = torch.randint(0, 1000, (BATCH,), generator=generator)
        clean, noise, t = (tensor.to(device, non_blocking=True) for tensor in (clean, noise, t))
        tokens = tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids.to(device)
        level = alpha_bar[t][:, None, None, None]
        noisy = level.sqrt() * clean + (1 - level).sqrt() * noise
        with torch.no_grad():
            words = base.text_encoder(tokens).last_hidden_state
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            down, mid = control(noisy, t, words, torch.stack(shown).to(device), return_dict=False)
            predicted = base.unet(
                noisy, t, words, down_block_additional_residuals=down, mid_block_additional_residual=mid
            ).sample
        weight = (1 / level).clamp(max=HEAVIEST)
        return (weight * (predicted.float() - noise).square()).mean()

    train(control, loss, recipe, out / f"{kind}.pt")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=DRAW, required=True)
    parser.add_argument("--preset", choices=PRESETS, default="small")
    parser.add_argument("--diffusion", type=Path, default=Path("runs/diffusion"))
    parser.add_argument("--out", type=Path, default=Path("runs/control"))
    parser.add_argument("--steps", type=int, default=2000)
    arguments = parser.parse_args()
    _, _, device = start_workers()
    recipe = Recipe(steps=arguments.steps, learning_rate=1e-3, ema=0.998)
    train_control(arguments.kind, arguments.diffusion, arguments.out, PRESETS[arguments.preset], recipe, device)


if __name__ == "__main__":
    main()
