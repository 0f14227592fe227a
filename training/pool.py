"""Latents of the world's scenes, encoded once and learned from many times.

``python -m training.pool --frames 1 --scenes 32768`` for the UNet (a picture of each scene), ``--frames 16 --scenes
4096`` for the motion modules (a clip of each); where drawing costs little, clips serve both. A process for each core
draws. Written in shards; what is there stays.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPTokenizer

import world
from training.captions import save_tokenizer, told
from training.data import FRAMES, VARIETY, draw_scene, encode
from training.loop import in_parallel, start_workers
from training.motion_reading import THINGS, told_motions
from training.presets import WORKSHOP
from world import Scene

SHARD = 256
"""Scenes of a shard."""

TOGETHER = 16
"""Scenes that one process draws at a time."""

FIRST_SEED = 50_000_000

REACH = FRAMES - 1
"""Frames before and after those that are encoded, of which it is known where objects are."""

TELLINGS = 8
"""How often the words for a scene are drawn."""


@dataclass(frozen=True)
class Pool:
    """N scenes of which F frames each are encoded, each told K times in T tokens."""

    latents: Tensor
    """(N, F, 4, h, w) scaled, in half precision."""
    tracks: Tensor
    """(N, REACH + F + REACH, THINGS, 3): where each object's centre is, x and y, and how far from there it still shows,
    in latents; also so many frames before and after those that are encoded."""
    tokens: Tensor
    """(N, K, 2, T), int16: two prompts,"""
    shares: Tensor
    """(N, K): and how much of the second there is in the mix of their embeddings."""
    motions: Tensor
    """(N, K, THINGS, 18), bool: what they say of each object's motion (``motion_reading.MOTIONS``)."""
    delicate: Tensor
    """(N,), bool: which scenes are of a person, a star or two things."""

    def __len__(self) -> int:
        return len(self.latents)

    def to(self, device: torch.device) -> Pool:
        return Pool(*(getattr(self, each.name).to(device) for each in fields(self)))

    def places(self, chosen: Tensor, moments: Tensor) -> Tensor:
        """Which latents show each object of the scenes ``chosen`` (B,), or lie next to it, at ``moments`` (B, M), which
        count from the first frame that is encoded: (B, M, THINGS, h, w), bool."""
        return places_of(self.tracks[chosen[:, None], REACH + moments], self.latents.shape[-1])

    def telling(self, chosen: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Of the scenes ``chosen`` (B,), one of the K tellings: tokens (B, 2, T), shares (B,) and motions
        (B, THINGS, 18)."""
        which = torch.randint(0, self.tokens.shape[1], chosen.shape, generator=generator)
        which = which.to(chosen.device, non_blocking=True)
        return self.tokens[chosen, which].long(), self.shares[chosen, which], self.motions[chosen, which]


def folder_of(pools: Path, frames: int) -> Path:
    return pools / f"{frames}"


def read_pool(pools: Path, frames: int) -> Pool:
    """All that has been encoded so far of scenes with so many frames each."""
    shards = [load_file(path) for path in sorted(folder_of(pools, frames).glob("*.safetensors"))]
    if not shards:
        raise SystemExit(f"no latents in {folder_of(pools, frames)}: run python -m training.pool --frames {frames}")
    return Pool(**{each.name: torch.cat([shard[each.name] for shard in shards]) for each in fields(Pool)})


def draw(seeds: Sequence[int], frames: int, tokenizer: Path) -> dict[str, np.ndarray]:
    """Of the scene of each seed so many ``frames`` (n, F, 3, H, W), uint8, and what else a Pool knows of it."""
    scenes = [draw_scene(seed, VARIETY) for seed in seeds]
    times = [range(frames) if frames > 1 else [seed % FRAMES] for seed in seeds]
    drawn = [
        np.stack([world.draw_frame(scene, time, scene.intensity)[0] for time in moments])
        for scene, moments in zip(scenes, times, strict=True)
    ]
    return {
        "frames": (np.stack(drawn).clip(0, 1) * 255).round().astype(np.uint8),
        **described(seeds, scenes, times, tokenizer),
    }


def described(
    seeds: Sequence[int], scenes: Sequence[Scene], times: Sequence[Sequence[int]], tokenizer: Path
) -> dict[str, np.ndarray]:
    """What a Pool knows of scenes besides their latents, at the times of each."""
    rng = np.random.default_rng([22, seeds[0]])
    tellings = [(scene, *told(scene, rng)) for scene in scenes for _ in range(TELLINGS)]
    read = CLIPTokenizer.from_pretrained(tokenizer)
    texts = [text for _, *pair, _ in tellings for text in pair]
    tokens = read(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids
    return {
        "tracks": np.stack([tracks_of(each, moments) for each, moments in zip(scenes, times, strict=True)]),
        "tokens": tokens.view(len(scenes), TELLINGS, 2, -1).short().numpy(),
        "shares": np.array([share for *_, share in tellings], dtype=np.float32).reshape(len(scenes), TELLINGS),
        "motions": torch.stack([told_motions(scene, text) for scene, text, *_ in tellings])
        .unflatten(0, (-1, TELLINGS))
        .numpy(),
        "delicate": np.array(
            [scene.objects[0].shape in ("person", "star") or len(scene.objects) > 1 for scene in scenes]
        ),
    }


def tracks_of(scene: Scene, times: Sequence[int]) -> np.ndarray:
    """A Pool's track (REACH + F + REACH, THINGS, 3) of a scene of which the frames at ``times`` are encoded."""
    pixels = 8  # of a latent
    track = np.zeros((len(times) + 2 * REACH, THINGS, 3), dtype=np.float32)
    for there, time in zip(track, range(times[0] - REACH, times[-1] + REACH + 1), strict=True):
        for place, thing in zip(there, scene.objects, strict=False):
            x, y = (at - speed * time for at, speed in zip(thing.position(time), scene.camera, strict=True))
            place[:] = np.array((x, y, thing.radius + pixels)) / pixels
    return track


def places_of(tracks: Tensor, side: int) -> Tensor:
    """Which latents (..., side, side) show what is at tracks (..., 3), or lie next to it."""
    x, y, reach = tracks[..., None, None].unbind(-3)
    centres = torch.arange(side, device=tracks.device) + 0.5
    return (centres[:, None] - y) ** 2 + (centres - x) ** 2 < reach**2


def fill(pools: Path, vae: AutoencoderKL, tokenizer: Path, frames: int, scenes: int) -> None:
    """Encode until so many ``scenes`` are there."""
    folder = folder_of(pools, frames)
    folder.mkdir(parents=True, exist_ok=True)
    missing = [path for number in range(scenes // SHARD) if not (path := folder / f"{number:05d}.safetensors").exists()]
    pieces = []
    for path in missing:
        generator = torch.Generator().manual_seed(FIRST_SEED + int(path.stem))
        seeds = torch.randint(0, 2**40, (SHARD,), generator=generator).tolist()
        pieces += [seeds[begin : begin + TOGETHER] for begin in range(0, SHARD, TOGETHER)]
    at_once = 256 if vae.device.type == "cuda" else 16
    drawn = in_parallel(partial(draw, frames=frames, tokenizer=tokenizer), pieces)
    for path in missing:
        parts = []
        for _ in range(SHARD // TOGETHER):
            part = {name: torch.from_numpy(each) for name, each in next(drawn).items()}
            whole = part.pop("frames")
            latents = [encode(vae, some.to(vae.device) / 255).half() for some in whole.flatten(0, 1).split(at_once)]
            parts.append({"latents": torch.cat(latents).unflatten(0, whole.shape[:2]), **part})
        beside = path.with_suffix(".part")
        save_file({name: torch.cat([part[name] for part in parts]) for name in parts[0]}, beside)
        beside.replace(path)
        print(path, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=WORKSHOP, help="whose VAE encodes")
    parser.add_argument("--out", type=Path, default=Path("runs/pool"))
    parser.add_argument("--frames", type=int, choices=(1, FRAMES), required=True, help="of each scene")
    parser.add_argument("--scenes", type=int, required=True)
    arguments = parser.parse_args()
    _, _, device = start_workers()
    vae = AutoencoderKL.from_pretrained(arguments.model / "vae", torch_dtype=torch.float32)
    vae = vae.to(device, memory_format=torch.channels_last)
    tokenizer = arguments.model / "tokenizer"
    if not tokenizer.exists():
        save_tokenizer(tokenizer)
    fill(arguments.out, vae, tokenizer, arguments.frames, arguments.scenes)


if __name__ == "__main__":
    main()
