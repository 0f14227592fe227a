"""Stage 5, ControlNets on the frozen miniature: ``python -m training.control --kind edge`` (pose, flow, tile).

Each is small and reads no words: residual blocks alone, beginning as a copy of the UNet's. What it is shown is vedit's
own drawing: edges of the rendered frame, the figure's exact joints, the exact flow, the frame without its details. Half
of the prompts are empty, as in ControlNet (Zhang et al. 2023, section 3.4), and errors count as errors of v, since what
a control decides is the layout, of which errors of epsilon hardly speak. Learns beside the model's folder, and ends up
in it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
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
from training.loop import COMPILE, Given, Recipe, Replayable, in_bfloat16, in_parallel, note, ship, start_workers, train
from training.poses import exact
from training.presets import WORKSHOP
from vedit.annotators.edge import Edge
from vedit.annotators.flow import draw_flow as flow_on_wheel
from vedit.annotators.flow import own_scale
from vedit.annotators.pose.drawing import draw
from vedit.annotators.tile import without_details
from vedit.backbone.notes import read_notes
from vedit.clip import Clip
from world.scene import Scene

TOGETHER = 32
"""Frames that one process draws at a time."""

TELLINGS = 8
"""How often the words for a frame are drawn."""

OTHERS = 0.3
"""Share of scenes that are not one object in clear air and the plain look."""

EMPTY = 0.5
"""Share of the prompts that are empty."""

WIDE = 320
"""Channels of Stable Diffusion's first level: beside so wide a UNet pictures are read by as wide layers as published
ControlNets have."""

HEAVIEST = 20.0
"""Most that an error counts: v's own weight, 1 / alpha_bar, grows without end towards pure noise."""

ENLARGED = 2.0
"""How many times a picture has been enlarged that the ControlNet `tile` is shown."""

Draw = Callable[[Scene, int, np.random.Generator], Tensor]
"""(scene, frame, chance) -> control picture (3, H, W) in [0, 1]."""


def build_control(unet: UNet2DConditionModel, pictures: int = 3) -> ControlNetModel:
    """The UNet's residual blocks without its transformers, holding its weights; ``pictures``: the channels of those
    that it is shown."""
    channels = unet.config.block_out_channels
    control = ControlNetModel(
        block_out_channels=channels,
        layers_per_block=unet.config.layers_per_block,
        down_block_types=("DownBlock2D",) * len(channels),
        mid_block_type="UNetMidBlock2D",
        cross_attention_dim=unet.config.cross_attention_dim,
        norm_num_groups=unet.config.norm_num_groups,
        conditioning_channels=pictures,
        conditioning_embedding_out_channels=(8, 16, 32, 32) if channels[0] < WIDE else (16, 32, 96, 256),
    )
    control.load_state_dict(unet.state_dict(), strict=False)
    return control


def draw_edge(scene: Scene, time: int, chance: np.random.Generator) -> Tensor:
    frame, _ = world.draw_frame(scene, time, scene.intensity)
    return Edge().annotate(Clip(torch.from_numpy(frame).clamp(0, 1)[None], Fraction(8))).frames[0]


def draw_pose(scene: Scene, time: int, chance: np.random.Generator) -> Tensor:
    return draw(exact(scene, time))[0]


def draw_flow(scene: Scene, time: int, chance: np.random.Generator) -> Tensor:
    flow = torch.from_numpy(world.exact_flow(scene, time))[None]
    return flow_on_wheel(flow, scale=own_scale(flow) * float(chance.uniform(0.9, 1.4)))[0]


def draw_tile(scene: Scene, time: int, chance: np.random.Generator) -> Tensor:
    frame, _ = world.draw_frame(scene, time, scene.intensity)
    return without_details(torch.from_numpy(frame).float().clamp(0, 1), ENLARGED)


DRAW: dict[str, Draw] = {"edge": draw_edge, "pose": draw_pose, "flow": draw_flow, "tile": draw_tile}


def suits(kind: str, scene: Scene, chance: np.random.Generator) -> bool:
    """Whether a ControlNet of this kind learns from the scene: poses from figures, and rarely from an empty picture."""
    return kind != "pose" or any(each.shape == "person" for each in scene.objects) or chance.random() < 0.01


@dataclass(frozen=True)
class Drawn:
    """N frames, drawn once and learned from many times."""

    frames: Tensor
    """(N, 3, H, W), uint8."""
    shown: Tensor
    """Their control pictures (N, 3, H, W), uint8."""
    tokens: Tensor
    """(N, K, T): K prompts for each, of which a share ``EMPTY`` is empty."""


def draw_some(seed: int, kind: str, count: int, tokenizer: Path) -> tuple[np.ndarray, ...]:
    """``count`` frames, as Drawn has them."""
    chance = np.random.default_rng([50_000_000, seed])
    frames: list[np.ndarray] = []
    shown: list[np.ndarray] = []
    texts: list[str] = []
    while len(frames) < count:
        number = int(chance.integers(2**40))
        scene, time = draw_scene(number, OTHERS), number % FRAMES
        if not suits(kind, scene, chance):
            continue
        frames.append(world.draw_frame(scene, time, scene.intensity)[0])
        shown.append(DRAW[kind](scene, time, chance).numpy())
        texts += ["" if chance.random() < EMPTY else sentence(scene, chance) for _ in range(TELLINGS)]
    read = CLIPTokenizer.from_pretrained(tokenizer)
    tokens = read(texts, padding="max_length", truncation=True, return_tensors="np").input_ids
    pictures = ((np.stack(each).clip(0, 1) * 255).round().astype(np.uint8) for each in (frames, shown))
    return *pictures, tokens.reshape(count, TELLINGS, -1)


def draw_all(kind: str, count: int, tokenizer: Path) -> Drawn:
    made = in_parallel(partial(draw_some, kind=kind, count=TOGETHER, tokenizer=tokenizer), range(count // TOGETHER))
    return Drawn(*(torch.from_numpy(np.concatenate(part)) for part in zip(*made, strict=True)))


def train_control(
    control: ControlNetModel, drawn: Drawn, model: Path, checkpoint: Path, recipe: Recipe, batch: int, compiled: bool
) -> None:
    """Teach ``control`` beside the frozen Stable Diffusion in the folder ``model``."""
    _, _, device = start_workers()
    unet = UNet2DConditionModel.from_pretrained(model / "unet", torch_dtype=torch.float32)
    vae = AutoencoderKL.from_pretrained(model / "vae", torch_dtype=torch.float32)
    encoder = CLIPTextModel.from_pretrained(model / "text_encoder", dtype=torch.float32).to(device)
    for frozen in (unet, vae, encoder):
        frozen.eval().requires_grad_(False)
    for network in (unet, vae, control):
        network.to(device, memory_format=torch.channels_last)
    control.train()
    clean = torch.cat([encode(vae, some / 255) for some in drawn.frames.split(64)]).to(device)
    shown, tokens = drawn.shown.to(device), drawn.tokens.to(device)
    alpha_bar = DDIMScheduler.from_pretrained(model / "scheduler").alphas_cumprod.to(device)
    if compiled:
        unet.compile()
        control.compile()

    def draw(step: int, generator: torch.Generator) -> Given:
        chosen, which = (
            torch.randint(0, most, (batch,), generator=generator).to(device, non_blocking=True)
            for most in (len(clean), TELLINGS)
        )
        times = torch.randint(0, len(alpha_bar), (batch,), generator=generator)
        noised = add_noise(clean[chosen], alpha_bar, times, generator)
        return noised.latents, noised.noise, noised.times, noised.level, tokens[chosen, which], shown[chosen]

    def error(latents: Tensor, noise: Tensor, times: Tensor, level: Tensor, tokens: Tensor, shown: Tensor) -> Tensor:
        with torch.no_grad():
            words = encoder(tokens).last_hidden_state
        inputs = (latents, times, words)
        with in_bfloat16(device):
            down, mid = control(*inputs, shown / 255, return_dict=False)
            predicted = unet(*inputs, down_block_additional_residuals=down, mid_block_additional_residual=mid).sample
        weight = (1 / level).clamp(max=HEAVIEST)
        return (weight * (predicted.float() - noise).square()).mean()

    train(control, Replayable(draw, error), recipe, checkpoint)


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
    parser.add_argument("--minutes", type=float, help="instead of the steps")
    parser.add_argument("--batch", type=int, default=32, help="pictures at once, for each worker")
    parser.add_argument("--pool", type=int, default=8192, help="frames that are drawn once")
    parser.add_argument("--compile", action="store_true", help=COMPILE)
    parser.add_argument("--more", action="store_true", help="begin with the ControlNet that is in the model's folder")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    if arguments.more:
        control = ControlNetModel.from_pretrained(
            arguments.model / f"controlnet_{arguments.kind}", torch_dtype=torch.float32
        )
    else:
        control = build_control(UNet2DConditionModel.from_pretrained(arguments.model / "unet"))
    drawn = draw_all(arguments.kind, arguments.pool, arguments.model / "tokenizer")
    recipe = Recipe(arguments.steps, learning_rate=1e-3, ema=0.998, minutes=arguments.minutes)
    checkpoint = arguments.out / f"{arguments.kind}.pt"
    train_control(control, drawn, arguments.model, checkpoint, recipe, arguments.batch, arguments.compile)
    add(control, arguments.kind, arguments.model)


if __name__ == "__main__":
    main()
