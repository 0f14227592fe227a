"""Latents of the world's scenes, encoded once and learned from many times.

``torchrun --nproc-per-node 2 -m training.pool --frames 1 --scenes 32768`` for the UNet (a picture of each scene),
``--frames 16 --scenes 4096`` for the motion modules (a clip of each). Written in shards; what is there stays.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from torch import Tensor

import world
from training.data import FRAMES, VARIETY, draw_scene, encode
from training.loop import start_workers
from training.presets import WORKSHOP
from world import Scene

SHARD = 256
"""Scenes of a shard."""

FIRST_SEED = 50_000_000


@dataclass(frozen=True)
class Pool:
    """N scenes of which F frames each are encoded."""

    scenes: list[Scene]
    times: list[int]
    """Of each scene, the time of the first frame."""
    latents: Tensor
    """(N, F, 4, h, w) scaled, in half precision."""

    def near_objects(self) -> Tensor:
        """Which of the latents (N, 1, h, w) show an object at that time, or lie next to one."""
        side = self.latents.shape[-1]
        centres = (torch.arange(side) + 0.5) * (world.SIZE / side)
        near = torch.zeros(len(self.scenes), 1, side, side, dtype=torch.bool)
        for number, (scene, time) in enumerate(zip(self.scenes, self.times, strict=True)):
            for thing in scene.objects:
                x, y = (at - speed * time for at, speed in zip(thing.position(time), scene.camera, strict=True))
                reach = thing.radius + world.SIZE / side
                near[number, 0] |= (centres[:, None] - y) ** 2 + (centres[None] - x) ** 2 < reach**2
        return near


def folder_of(pools: Path, frames: int) -> Path:
    return pools / f"{frames}"


def read_pool(pools: Path, frames: int) -> Pool:
    """All that has been encoded so far of scenes with so many frames each."""
    shards = [load_file(path) for path in sorted(folder_of(pools, frames).glob("*.safetensors"))]
    if not shards:
        raise SystemExit(f"no latents in {folder_of(pools, frames)}: run python -m training.pool --frames {frames}")
    seeds = torch.cat([shard["seeds"] for shard in shards]).tolist()
    scenes, latents = [draw_scene(seed, VARIETY) for seed in seeds], torch.cat([shard["latents"] for shard in shards])
    return Pool(scenes, [_times(seed, frames)[0] for seed in seeds], latents)


def fill(pools: Path, vae: AutoencoderKL, frames: int, scenes: int, rank: int, workers: int) -> None:
    """Encode until so many ``scenes`` are there; each of W ``workers`` takes every W-th shard."""
    folder = folder_of(pools, frames)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(rank, scenes // SHARD, workers):
        path = folder / f"{number:04d}.safetensors"
        if path.exists():
            continue
        generator = torch.Generator().manual_seed(FIRST_SEED + number)
        seeds = torch.randint(0, 2**40, (SHARD,), generator=generator)
        latents = torch.stack([_encoded(vae, seed, frames) for seed in seeds.tolist()]).contiguous()
        beside = path.with_suffix(".part")
        save_file({"seeds": seeds, "latents": latents}, beside)
        beside.replace(path)


def _encoded(vae: AutoencoderKL, seed: int, frames: int) -> Tensor:
    """(F, 4, h, w): a whole clip, or any one of its frames."""
    scene = draw_scene(seed, VARIETY)
    drawn = np.stack([world.draw_frame(scene, time, scene.intensity)[0] for time in _times(seed, frames)])
    return encode(vae, torch.from_numpy(drawn)).half()


def _times(seed: int, frames: int) -> Sequence[int]:
    return range(frames) if frames > 1 else [seed % FRAMES]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=WORKSHOP, help="whose VAE encodes")
    parser.add_argument("--out", type=Path, default=Path("runs/pool"))
    parser.add_argument("--frames", type=int, choices=(1, FRAMES), required=True, help="of each scene")
    parser.add_argument("--scenes", type=int, required=True)
    arguments = parser.parse_args()
    rank, workers, device = start_workers()
    vae = AutoencoderKL.from_pretrained(arguments.model / "vae", torch_dtype=torch.float32)
    vae = vae.to(device, memory_format=torch.channels_last)
    fill(arguments.out, vae, arguments.frames, arguments.scenes, rank, workers)


if __name__ == "__main__":
    main()
