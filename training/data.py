"""Batches of frames from the world, keyed by a generator."""

from __future__ import annotations

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from vedit.miniature import world
from vedit.miniature.world.scene import Scene


def draw_scene(seed: int, variety: float) -> Scene:
    """A training scene; with probability ``variety`` it has a second object, weather or another look."""
    rng = np.random.default_rng([21, seed])
    if rng.random() >= variety:
        return world.sample_scene(seed)
    weather = world.WEATHERS[rng.choice(3, p=[0.4, 0.3, 0.3])]
    look = world.LOOKS[rng.choice(3, p=[0.6, 0.2, 0.2])]
    return world.sample_scene(seed, objects=int(rng.integers(1, 3)), weather=weather, look=look)


def frame_batch(size: int, generator: torch.Generator, variety: float) -> tuple[list[Scene], Tensor, Tensor]:
    """Scenes, frames (B, 3, H, W) in [0, 1] and masks of any object (B, 1, H, W)."""
    seeds = torch.randint(0, 2**40, (size,), generator=generator).tolist()
    scenes = [draw_scene(seed, variety) for seed in seeds]
    drawn = [world.draw_frame(scene, seed % 8, scene.intensity) for scene, seed in zip(scenes, seeds, strict=True)]
    frames = torch.from_numpy(np.stack([picture for picture, _ in drawn]).astype(np.float32))
    masks = torch.from_numpy(np.stack([mask.max(axis=0, keepdims=True) for _, mask in drawn]))
    return scenes, frames.clamp(0, 1), masks


@torch.no_grad()
def encode(vae: AutoencoderKL, scenes: list[Scene], times: list[int]) -> Tensor:
    """One frame of each scene, at ``times`` of a walk of 8 frames, as scaled latents (B, 4, h, w) on the CPU."""
    pictures = [
        world.draw_frame(scene, time % 8, scene.intensity)[0] for scene, time in zip(scenes, times, strict=True)
    ]
    frames = torch.from_numpy(np.stack(pictures).astype(np.float32)).clamp(0, 1)
    pixels = (frames * 2 - 1).to(vae.device, memory_format=torch.channels_last)
    with torch.autocast(vae.device.type, torch.bfloat16):
        moments = vae.encode(pixels).latent_dist.mean
    return moments.float().cpu() * vae.config.scaling_factor
