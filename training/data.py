"""Batches of frames from the world, keyed by a generator."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

import world
from training.loop import in_parallel
from world.scene import Scene

FRAMES = 16
"""Of a scene's clip; pictures are taken from any of them."""

VARIETY = 0.55
"""Share of the scenes that have weather, another look, a second object or a moving camera."""

RIM = 6
"""How far around an object, in pixels, the contrast to its colour is told."""


def draw_scene(seed: int, variety: float) -> Scene:
    """A training scene; with probability ``variety`` it has a second object, weather, another look, a moving camera."""
    rng = np.random.default_rng([21, seed])
    if rng.random() >= variety:
        return world.sample_clip(seed, frames=FRAMES)
    weather = world.WEATHERS[rng.choice(3, p=[0.4, 0.3, 0.3])]
    look = world.LOOKS[rng.choice(3, p=[0.6, 0.2, 0.2])]
    count, panned = int(rng.integers(1, 3)), bool(rng.random() < 0.5)
    return world.sample_clip(seed, frames=FRAMES, objects=count, weather=weather, look=look, pans=panned)


def draw_any(chance: np.random.Generator, variety: float, shapes: Collection[str]) -> tuple[int, Scene]:
    """A training scene whose first thing has one of these shapes, and its seed."""
    while True:
        seed = int(chance.integers(2**40))
        scene = draw_scene(seed, variety)
        if scene.objects[0].shape in shapes:
            return seed, scene


def frame_batch(size: int, generator: torch.Generator, variety: float) -> tuple[list[Scene], Tensor, Tensor]:
    """Scenes, frames (B, 3, H, W) in [0, 1] and masks of any object (B, 1, H, W)."""
    seeds = torch.randint(0, 2**40, (size,), generator=generator).tolist()
    scenes = [draw_scene(seed, variety) for seed in seeds]
    drawn = [world.draw_frame(scene, seed % FRAMES, scene.intensity) for scene, seed in zip(scenes, seeds, strict=True)]
    frames = torch.from_numpy(np.stack([picture for picture, _ in drawn]).astype(np.float32))
    masks = torch.from_numpy(np.stack([mask.max(axis=0, keepdims=True) for _, mask in drawn]))
    return scenes, frames.clamp(0, 1), masks


@dataclass(frozen=True)
class Pictures:
    """Frames and what an autoencoder should mind in them. B frames."""

    pixels: Tensor
    """(B, 3, H, W), uint8."""
    masks: Tensor
    """(B, 1, H, W), uint8: any object."""
    contrast: Tensor
    """(B, 3, H, W), half: the object's colour minus the ground's, in and around objects in clear air and the plain
    look; zero elsewhere."""

    def to(self, device: torch.device) -> Pictures:
        return Pictures(self.pixels.to(device), self.masks.to(device), self.contrast.to(device))


def pictures(seed: int, count: int, variety: float, delicate: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """So many training frames, of which a share ``delicate`` shows a person or a star, as Pictures has them."""
    chance = np.random.default_rng([23, seed])
    frames, covers, contrasts = [], [], []
    for _ in range(count):
        shapes = ("person", "star") if chance.random() < delicate else world.SHAPES
        number, scene = draw_any(chance, variety, shapes)
        frame, mask = world.draw_frame(scene, number % FRAMES, scene.intensity)
        frames.append(frame)
        covers.append(mask.max(axis=0, keepdims=True))
        contrasts.append(_contrast(scene, number % FRAMES, mask))
    pixels, masks = ((np.stack(each).clip(0, 1) * 255).round().astype(np.uint8) for each in (frames, covers))
    return pixels, masks, np.stack(contrasts).astype(np.float16)


def draw_pictures(count: int, variety: float, delicate: float) -> Pictures:
    """As ``pictures``, drawn by a process for each core."""
    one = partial(pictures, count=32, variety=variety, delicate=delicate)
    made = zip(*in_parallel(one, range(count // 32)), strict=True)
    return Pictures(*(torch.from_numpy(np.concatenate(part)) for part in made))


def _contrast(scene: Scene, time: int, masks: np.ndarray) -> np.ndarray:
    contrast = np.zeros((3, world.SIZE, world.SIZE), dtype=np.float32)
    if scene.weather != "clear" or scene.look != "plain":
        return contrast
    ground, _ = world.draw_frame(replace(scene, objects=()), time, 0.0)
    near = torch.nn.functional.max_pool2d(torch.from_numpy(masks), 2 * RIM + 1, 1, RIM).numpy() > 0
    for thing, where in zip(scene.objects, near, strict=True):
        colour = np.asarray(world.PALETTE[thing.colour], dtype=np.float32)[:, None]
        contrast[:, where] = 0.94 * colour - ground[:, where]
    return contrast


@torch.no_grad()
def encode(vae: AutoencoderKL, frames: Tensor) -> Tensor:
    """Frames (B, 3, H, W) in [0, 1] as scaled latents (B, 4, h, w) on the CPU."""
    pixels = (frames.float().clamp(0, 1) * 2 - 1).to(vae.device, memory_format=torch.channels_last)
    with torch.autocast(vae.device.type, torch.bfloat16):
        moments = vae.encode(pixels).latent_dist.mean
    return moments.float().cpu() * vae.config.scaling_factor
