"""Stage 5, ControlNets on the frozen miniature: ``python -m training.control --kind edge`` (pose, flow).

Each is small and reads no words: residual blocks alone, beginning as a copy of the UNet's. What it is shown is vedit's
own drawing: edges of the rendered frame, the figure's exact joints, the exact flow. Half of the prompts are empty, as
in ControlNet (Zhang et al. 2023, section 3.4), and errors count as errors of v, since what a control decides is the
layout, of which errors of epsilon hardly speak. Learns beside the model's folder, and ends up in it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, ControlNetModel, DDIMScheduler, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

import world
from training.captions import sentence
from training.data import FRAMES, draw_scene, encode
from training.diffusion import add_noise
from training.loop import Recipe, note, ship, start_workers, train
from training.poses import exact
from training.presets import WORKSHOP
from vedit.annotators.edge import Edge
from vedit.annotators.pose.drawing import draw
from vedit.backbone.notes import read_notes
from vedit.clip import Clip
from world.scene import Scene

BATCH = 32
POOL = 8192
"""Frames."""

OTHERS = 0.3
"""Share of scenes that are not one object in clear air and the plain look."""

EMPTY = 0.5
"""Share of the prompts that are empty."""

HEAVIEST = 20.0
"""Most that an error counts: v's own weight, 1 / alpha_bar, grows without end towards pure noise."""

Draw = Callable[[Scene, int, np.random.Generator], Tensor]
"""(scene, frame, chance) -> control picture (3, H, W) in [0, 1]."""


def build_control(unet: UNet2DConditionModel) -> ControlNetModel:
    """The UNet's residual blocks without its transformers, holding its weights."""
    channels = unet.config.block_out_channels
    control = ControlNetModel(
        block_out_channels=channels,
        layers_per_block=unet.config.layers_per_block,
        down_block_types=("DownBlock2D",) * len(channels),
        mid_block_type="UNetMidBlock2D",
        cross_attention_dim=unet.config.cross_attention_dim,
        norm_num_groups=unet.config.norm_num_groups,
        conditioning_embedding_out_channels=(8, 16, 32, 32),
    )
    control.load_state_dict(unet.state_dict(), strict=False)
    return control


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


def suits(kind: str, scene: Scene, chance: np.random.Generator) -> bool:
    """Whether a ControlNet of this kind learns from the scene: poses from figures, and rarely from an empty picture."""
    return kind != "pose" or any(each.shape == "person" for each in scene.objects) or chance.random() < 0.01


@dataclass(frozen=True)
class Pool:
    """What is drawn once and learned from many times."""

    latents: Tensor
    """(N, 4, h, w), scaled."""
    scenes: list[Scene]
    shown: Tensor
    """Control pictures (N, 3, H, W), uint8."""


def draw_pool(kind: str, vae: AutoencoderKL, size: int) -> Pool:
    chance = np.random.default_rng(50_000_000)
    scenes: list[Scene] = []
    times: list[int] = []
    while len(scenes) < size:
        seed = int(chance.integers(2**40))
        scene = draw_scene(seed, OTHERS)
        if suits(kind, scene, chance):
            scenes.append(scene)
            times.append(seed % FRAMES)
    moments = list(zip(scenes, times, strict=True))
    shown = [DRAW[kind](scene, time, chance).mul(255).round().byte() for scene, time in moments]
    latents = []
    for at in range(0, size, BATCH):
        drawn = [world.draw_frame(scene, time, scene.intensity)[0] for scene, time in moments[at : at + BATCH]]
        latents.append(encode(vae, torch.from_numpy(np.stack(drawn))))
    return Pool(torch.cat(latents), scenes, torch.stack(shown))


def train_control(control: ControlNetModel, kind: str, model: Path, out: Path, recipe: Recipe) -> None:
    """Teach ``control`` beside the frozen Stable Diffusion in the folder ``model``."""
    _, _, device = start_workers()
    unet = UNet2DConditionModel.from_pretrained(model / "unet", torch_dtype=torch.float32).to(device)
    vae = AutoencoderKL.from_pretrained(model / "vae", torch_dtype=torch.float32).to(device)
    encoder = CLIPTextModel.from_pretrained(model / "text_encoder", dtype=torch.float32).to(device)
    tokenizer = CLIPTokenizer.from_pretrained(model / "tokenizer")
    for frozen in (unet, vae, encoder):
        frozen.eval().requires_grad_(False)
    control.to(device, memory_format=torch.channels_last).train()
    unet.to(memory_format=torch.channels_last)
    pool = draw_pool(kind, vae.to(memory_format=torch.channels_last), POOL)
    alpha_bar = DDIMScheduler.from_pretrained(model / "scheduler").alphas_cumprod.to(device)

    def loss(step: int, generator: torch.Generator) -> Tensor:
        chance = np.random.default_rng(int(torch.randint(0, 2**40, (1,), generator=generator)))
        chosen = torch.randint(0, len(pool.scenes), (BATCH,), generator=generator)
        texts = ["" if chance.random() < EMPTY else sentence(pool.scenes[index], chance) for index in chosen.tolist()]
        tokens = tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids.to(device)
        shown = pool.shown[chosen].to(device) / 255
        with torch.no_grad():
            words = encoder(tokens).last_hidden_state
        noised = add_noise(pool.latents[chosen], alpha_bar, generator)
        inputs = (noised.latents, noised.times, words)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            down, mid = control(*inputs, shown, return_dict=False)
            predicted = unet(*inputs, down_block_additional_residuals=down, mid_block_additional_residual=mid).sample
        weight = (1 / noised.level).clamp(max=HEAVIEST)
        return (weight * (predicted.float() - noised.noise).square()).mean()

    train(control, loss, recipe, out / f"{kind}.pt")


def add(control: ControlNetModel, kind: str, model: Path) -> None:
    """Put a trained ControlNet, in half precision, into the model's folder, and its name into the folder's notes."""
    name = f"controlnet_{kind}"
    ship(control, model / name)
    note(model, controls=dict(sorted({**read_notes(model).controls, kind: name}.items())))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=DRAW, required=True)
    parser.add_argument("--model", type=Path, default=WORKSHOP)
    parser.add_argument("--out", type=Path, default=Path("runs/control"))
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--more", action="store_true", help="begin with the ControlNet that is in the model's folder")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    if arguments.more:
        control = ControlNetModel.from_pretrained(
            arguments.model / f"controlnet_{arguments.kind}", torch_dtype=torch.float32
        )
    else:
        control = build_control(UNet2DConditionModel.from_pretrained(arguments.model / "unet"))
    recipe = Recipe(steps=arguments.steps, learning_rate=1e-3, ema=0.998)
    train_control(control, arguments.kind, arguments.model, arguments.out, recipe)
    add(control, arguments.kind, arguments.model)


if __name__ == "__main__":
    main()
