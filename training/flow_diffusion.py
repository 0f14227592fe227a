"""Flow diffusion after LFDM (Ni et al. 2023): how a picture moves as words say, ``python -m training.flow_diffusion``.

What LFDM learns first, the flow itself, is known here: exactly for the world's scenes, and by optical flow for clips of
your own (``--clips FOLDER``, each with its caption in a .txt of its name). What learns is a small UNet over space and
time that denoises flow volumes, told by the model's own text encoder and by the latents of the first frame; the model
is frozen. Written into a folder that ``--motion-words`` takes, and that the model's vedit.json names.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor
from transformers import CLIPTokenizer

import world
from training.captioned_clips import captioned_clips
from training.captions import EMPTY, sentence
from training.data import FRAMES, draw_scene, encode
from training.diffusion import embedded
from training.loop import Recipe, in_parallel, normal, note, start_workers, train
from training.presets import WORKSHOP
from vedit.adapters.loading import load_backbone
from vedit.backbone import Backbone
from vedit.backbone.sizes import working_size
from vedit.flow import centres, estimate_flow, follow
from vedit.motion.clip_motion import SLOWEST, parted
from vedit.motion.generated.network import (
    SCHEDULE,
    FlowDiffusion,
    FlowDiffusionConfig,
    load_flow_diffusion,
    on_cells,
)
from vedit.motion.generated.volume import FlowVolume, grid_of
from vedit.schedule import Levels, alpha_bar

OWN = "flow_diffusion"
"""Name of its folder in the model's."""

VARIETY = 0.5
"""Share of the scenes that have weather, another look, a second object or a moving camera."""

TOGETHER = 32
"""Scenes that one process draws at a time."""

TELLINGS = 8
"""How often the words for a scene are drawn."""

FOCUS = 4.0
"""How much more an error counts where a thing is, which covers about a tenth of a picture."""

HELD_AT = 0.5
"""Share of the fastest's way from which on a pixel of a clip is of a thing that moves upon the ground."""


@dataclass(frozen=True)
class Volumes:
    """N clips. What words are told is drawn from K tellings of each, tokens (world) or numbers of states (clips)."""

    motion: Tensor
    """(N, F, 3, h, w) in half precision, as ``FlowVolume.packed``."""
    latents: Tensor
    """(N, 4, h, w) of their first frames, scaled, on the same cells."""
    words: Tensor
    """(N, K, T) tokens, or (N, K) numbers of ``states``."""
    states: Tensor | None = None
    """(C, T, D) what the text encoder says of each caption, the last of them empty; None where words are tokens."""

    def __len__(self) -> int:
        return len(self.motion)

    def told(self, chosen: Tensor, backbone: Backbone, generator: torch.Generator) -> Tensor:
        """What the network is told (B, T, D) of the clips ``chosen`` (B,)."""
        which = torch.randint(0, self.words.shape[1], chosen.shape, generator=generator)
        words = self.words[chosen, which]
        if self.states is not None:
            silent = torch.rand(chosen.shape, generator=generator) < EMPTY
            return self.states[torch.where(silent, len(self.states) - 1, words)].to(backbone.device)
        tokens = words.long().to(backbone.device)[:, None].expand(-1, 2, -1)
        with torch.no_grad():
            return embedded(backbone.text_encoder, tokens, torch.zeros(len(chosen), device=backbone.device)).float()


def volume_of_scene(scene: world.Scene, config: FlowDiffusionConfig) -> FlowVolume:
    """The exact motion of a scene from its first frame."""
    masks = torch.from_numpy(world.draw_frame(scene, 0, 0.0)[1])
    moved = np.stack([world.exact_flow(scene, 0, later=time) for time in range(config.frames)])
    moves = torch.tensor([thing.path != "still" for thing in scene.objects])
    held = masks[moves].amax(0) if moves.any() else torch.zeros(world.SIZE, world.SIZE)
    size = world.SIZE, world.SIZE
    return FlowVolume.of(torch.from_numpy(moved), held, grid_of(size, config.cells))


def draw(seeds: list[int], config: FlowDiffusionConfig, tokenizer: Path) -> tuple[np.ndarray, ...]:
    """Of the scene of each seed its volume (n, F, 3, h, w), first frame (n, 3, H, W) uint8, and tokens (n, K, T)."""
    volumes, frames, texts = [], [], []
    chance = np.random.default_rng([41, seeds[0]])
    for seed in seeds:
        scene = draw_scene(seed, VARIETY)
        volumes.append(volume_of_scene(scene, config).packed(config.scale).half().numpy())
        frames.append(world.draw_frame(scene, 0, scene.intensity)[0])
        texts += [sentence(scene, chance) for _ in range(TELLINGS)]
    read = CLIPTokenizer.from_pretrained(tokenizer)
    tokens = read(texts, padding="max_length", truncation=True, return_tensors="np").input_ids
    pictures = (np.stack(frames).clip(0, 1) * 255).round().astype(np.uint8)
    return np.stack(volumes), pictures, tokens.reshape(len(seeds), TELLINGS, -1).astype(np.int16)


def of_world(count: int, backbone: Backbone, model: Path, config: FlowDiffusionConfig) -> Volumes:
    """So many scenes of the world."""
    numbers = torch.randint(0, 2**40, (count,), generator=torch.Generator().manual_seed(60_000_000)).tolist()
    pieces = [numbers[begin : begin + TOGETHER] for begin in range(0, count, TOGETHER)]
    motion, latents, words = [], [], []
    cells = grid_of((world.SIZE, world.SIZE), config.cells)
    for volumes, pictures, tokens in in_parallel(partial(draw, config=config, tokenizer=model / "tokenizer"), pieces):
        motion.append(torch.from_numpy(volumes))
        latents.append(on_cells(encode(backbone.vae, torch.from_numpy(pictures).float() / 255), cells))
        words.append(torch.from_numpy(tokens))
    return Volumes(torch.cat(motion), torch.cat(latents), torch.cat(words))


def volume_of_clip(frames: Tensor, config: FlowDiffusionConfig) -> FlowVolume:
    """The motion of frames (F, 3, H, W) in [0, 1] from the first one, by optical flow.

    What moves as a thing is what goes other ways than the ground does.
    """
    flow = estimate_flow(frames)
    size = flow.size
    start = centres(size, size).reshape(-1, 2)
    places, seen, moved = start, torch.ones(len(start), dtype=torch.bool), [torch.zeros(2, *size)]
    upon, furthest = torch.from_numpy(parted(flow).camera).float(), torch.zeros(len(start))
    for index in range(len(flow) - 1):
        places, seen = follow(places, seen, flow.forward[index], flow.hidden[index])
        moved.append((places - start).T.unflatten(1, size))
        ground = start @ upon[index + 1, :, :2].T + upon[index + 1, :, 2]
        furthest = torch.where(seen, torch.maximum(furthest, (places - ground).norm(dim=1)), furthest)
    top = float(furthest.quantile(0.99))
    held = furthest > HELD_AT * top if top > SLOWEST * len(flow) else torch.zeros_like(seen)
    return FlowVolume.of(torch.stack(moved), held.view(size).float(), grid_of(size, config.cells))


def of_clips(folder: Path, backbone: Backbone, config: FlowDiffusionConfig, stride: int) -> Volumes:
    """The clips of a folder that have a caption beside them, cut into pieces, each brought to the first one's working
    size."""
    motion: list[Tensor] = []
    latents: list[Tensor] = []
    captions: list[str] = []
    size = None
    for clip, caption in captioned_clips(folder, config.frames, stride):
        size = size or working_size(clip.size, None, backbone.unet.config, backbone.vae_scale_factor)
        frames = clip.resized(size).frames
        for begin in range(0, len(frames) - config.frames + 1, config.frames):
            piece = frames[begin : begin + config.frames]
            motion.append(volume_of_clip(piece, config).packed(config.scale).half())
            latents.append(on_cells(backbone.encode(piece[:1]).cpu(), grid_of(size, config.cells))[0])
            captions.append(caption)
    states = torch.cat(backbone.embed_alike([*captions, ""])).float().cpu()
    return Volumes(torch.stack(motion), torch.stack(latents), torch.arange(len(captions))[:, None], states)


def learn(
    network: FlowDiffusion, volumes: Volumes, backbone: Backbone, recipe: Recipe, batch: int, checkpoint: Path
) -> None:
    """Teach the network on batches of volumes."""
    device = backbone.device
    levels = Levels.of(alpha_bar(SCHEDULE).to(device))

    def loss(step: int, generator: torch.Generator) -> Tensor:
        chosen = torch.randint(0, len(volumes), (batch,), generator=generator)
        clean = volumes.motion[chosen].to(device).float()
        noise = normal(clean.shape, generator, device)
        # More of them noisy: which way things go is decided there.
        share = torch.rand((batch,), generator=generator).sqrt()
        time = (share * len(levels)).long().clamp(max=len(levels) - 1).to(device)
        level = levels[time[:, None, None, None, None]]
        noisy = level.noised(clean, noise)
        words = volumes.told(chosen, backbone, generator)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            output = network(noisy, time, volumes.latents[chosen].to(device), words)
        weight = 1 + FOCUS * (clean[:, :, 2:] / 2 + 0.5)
        error = (output.float() - clean).square()
        return (weight * error).mean() / weight.mean()

    train(network, loss, recipe, checkpoint)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=WORKSHOP, help="a Stable Diffusion's folder")
    parser.add_argument("--clips", type=Path, help="folder of clips, each with its caption in a .txt of its name")
    parser.add_argument("--stride", type=int, default=1, help="of such clips, take each stride-th frame")
    parser.add_argument("--frames", type=int, default=FRAMES, help="that are learnt together, an even number")
    parser.add_argument("--cells", type=int, default=16, help="along the longer side; 32 suits Stable Diffusion 1.5")
    parser.add_argument(
        "--channels",
        type=int,
        nargs="+",
        help="of its levels, by default 32 48; 128 256 256 suits Stable Diffusion 1.5",
    )
    parser.add_argument("--scenes", type=int, default=16384, help="of the world, drawn once")
    parser.add_argument("--folder", type=Path, help=f"to write; by default {OWN} in the model's, which names it")
    parser.add_argument("--begin-with", type=Path, help="such a folder to begin with")
    parser.add_argument("--out", type=Path, default=Path("runs/flow_diffusion"), help="folder of the checkpoint")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--minutes", type=float, help="instead of the steps")
    parser.add_argument("--batch", type=int, default=16, help="clips at once, for each worker")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    arguments = parser.parse_args()
    _, _, device = start_workers()
    backbone = load_backbone(arguments.model, device=device, dtype="float32")
    backbone.layers.detach_motion()
    width = int(backbone.unet.config.cross_attention_dim)
    torch.manual_seed(0)
    if arguments.begin_with is not None:
        network = load_flow_diffusion(arguments.begin_with, width).requires_grad_(True)
    else:
        made_for = {"text_width": width, "frames": arguments.frames, "cells": arguments.cells}
        wide = {} if arguments.channels is None else {"channels": arguments.channels}
        network = FlowDiffusion(FlowDiffusionConfig(**made_for, **wide))
    network.to(device).train()
    if arguments.clips is None:
        volumes = of_world(arguments.scenes, backbone, arguments.model, network.config)
    else:
        volumes = of_clips(arguments.clips, backbone, network.config, arguments.stride)
    recipe = Recipe(arguments.steps, arguments.learning_rate, minutes=arguments.minutes)
    learn(network, volumes, backbone, recipe, arguments.batch, arguments.out / "flow_diffusion.pt")
    if not (dist.is_initialized() and dist.get_rank() > 0):
        network.save(arguments.folder or arguments.model / OWN, overwrite=True)
    if arguments.folder is None:
        note(arguments.model, motion_words=OWN)


if __name__ == "__main__":
    main()
