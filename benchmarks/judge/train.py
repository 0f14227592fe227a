"""Train the judge: ``python -m benchmarks.judge.train``.

On frames of all attribute triples, a third of them with two objects, a third in rain or snow; half of them are sent
through the VAE or blurred and noised, so that what it says of generated frames is fair. Then whole objects, sent
through the VAE, tell how well shapes are overlapped that are not broken. Its textures and seeds are those of training;
what it gets right is told of held-out ones, and how many it takes for whole that were broken on purpose (``breaking``).
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from safetensors.torch import save_file
from torch import Tensor

import world
from benchmarks.judge.breaking import WAYS, broken
from benchmarks.judge.model import BROKEN, COLOURS, GROUNDS, WEIGHTS, Judge
from benchmarks.masks import overlap
from training.loop import Recipe, start_workers, train
from vedit.backbone.model_files import MINI
from world.scene import Scene, Split

BATCH = 24

WEATHER = 1 / 3
"""Share of the scenes in rain or snow."""

PAIRS = 1 / 3
"""Share of the judge's scenes with two objects."""

EXCUSED = 0.02
"""Share of whole objects, after the VAE, that may be called broken."""


def any_scene(seed: int, split: Split = "train") -> Scene:
    """A scene of one object and any attribute triple, held out or not: the judge must know them all."""
    rng = np.random.default_rng([31, seed])
    weather: world.Weather = "clear" if rng.random() >= WEATHER else ("rain", "snow")[rng.integers(2)]
    scene = world.sample_scene(seed, split, weather=weather)
    return scene.changed(
        shape=world.SHAPES[rng.integers(5)], colour=world.COLOURS[rng.integers(8)],
        background=world.BACKGROUNDS[rng.integers(6)],
    )  # fmt: skip


def any_scenes(seed: int, split: Split = "train") -> Scene:
    """The same, with a second object in some."""
    scene = any_scene(seed, split)
    rng = np.random.default_rng([33, seed])
    if rng.random() >= PAIRS:
        return scene
    ways = world.sample_clip(seed, split, objects=2).objects
    colours = rng.choice(len(COLOURS), 2, replace=False)
    things = tuple(
        replace(thing, shape=world.SHAPES[rng.integers(5)], colour=COLOURS[colour])
        for thing, colour in zip(ways, colours, strict=True)
    )
    return replace(scene, objects=things)


def drawn(seeds: list[int], split: Split = "train") -> tuple[Tensor, Tensor, Tensor]:
    """Frames (B, 3, H, W), what their pixels show (B, H, W), 0 or a colour's number, and their grounds (B,)."""
    scenes = [any_scenes(seed, split) for seed in seeds]
    frames, shown = [], []
    for scene, seed in zip(scenes, seeds, strict=True):
        frame, masks = world.draw_frame(scene, seed % 8, scene.intensity)
        frames.append(frame)
        shown.append(sum((m > 0.5) * (1 + COLOURS.index(o.colour)) for m, o in zip(masks, scene.objects, strict=True)))
    grounds = [GROUNDS.index(scene.background) for scene in scenes]
    pictures = torch.from_numpy(np.stack(frames)).clamp(0, 1)
    return pictures, torch.from_numpy(np.stack(shown).astype(np.uint8)), torch.tensor(grounds)


def worn(frames: Tensor, generator: torch.Generator) -> Tensor:
    """Blur, rescale and noise of random strength."""
    strength = float(torch.rand((), generator=generator))
    if strength > 0.4:
        side = int(128 * (1.2 - 0.7 * strength))
        small = F.interpolate(frames, size=(side, side), mode="bilinear", antialias=True)
        frames = F.interpolate(small, size=(128, 128), mode="bilinear")
    noise = torch.randn(frames.shape, generator=generator)
    return (frames + 0.05 * strength * noise).clamp(0, 1)


@torch.no_grad()
def through(vae: AutoencoderKL, frames: Tensor) -> Tensor:
    """Frames (B, 3, H, W) in [0, 1] after the VAE."""
    with torch.autocast("cpu", torch.bfloat16):
        parts = [vae.decode(vae.encode(some * 2 - 1).latent_dist.mean).sample.float() for some in frames.split(50)]
    return (torch.cat(parts) / 2 + 0.5).clamp(0, 1)


def least_overlaps(judge: Judge, vae: AutoencoderKL, count: int) -> Tensor:
    """(5,): of each shape, the overlap with its best fit that nearly all whole objects reach after the VAE."""
    found = defaultdict(list)
    for number in range(count):
        scene = any_scenes(94_000_000 + number)
        frame, _ = world.draw_frame(scene, number % 8, scene.intensity)
        seen = judge.see(through(vae, torch.from_numpy(frame)[None].clamp(0, 1)))
        for thing in scene.objects:
            (same,) = seen.of(thing.colour)
            if same is not None and same.fit.thing.shape == thing.shape:
                found[thing.shape].append(same.fit.overlap)
    return torch.tensor([np.quantile(found[shape], EXCUSED) for shape in world.SHAPES], dtype=torch.float32)


def report(judge: Judge, vae: AutoencoderKL, count: int) -> None:
    """What the judge gets right of held-out scenes, whole and broken."""
    for title, wear in (("rendered", lambda frames: frames), ("through the VAE", lambda frames: through(vae, frames))):
        right = defaultdict(list)
        for number in range(count):
            scene = any_scenes(number, "held_out")
            frame, masks = world.draw_frame(scene, number % 8, scene.intensity)
            seen = judge.see(wear(torch.from_numpy(frame)[None].clamp(0, 1)))
            right["ground"].append(seen.background[0] == scene.background)
            right["objects"].append({t.colour for t in seen.things[0]} == {t.colour for t in scene.objects})
            for thing, mask in zip(scene.objects, masks, strict=True):
                (same,) = seen.of(thing.colour)
                right[thing.shape].append(same is not None and same.shape == thing.shape)
                right["broken"].append(same is not None and same.shape == BROKEN)
                if same is not None:
                    right["IoU"].append(float(overlap(same.mask, mask > 0.5)))
        print(f"{title}:", ", ".join(f"{name} {np.mean(values):.3f}" for name, values in right.items()))
    caught = defaultdict(list)
    for number in range(count):
        scene = any_scene(number, "held_out").changed(weather="clear")
        way = WAYS[number % len(WAYS)]
        frame, _ = broken(scene, way, number % 8, np.random.default_rng([35, number]))
        seen = judge.see(through(vae, torch.from_numpy(frame)[None].clamp(0, 1)))
        caught[way].append(seen.shape[0] != scene.objects[0].shape)
    print("not taken for whole:", ", ".join(f"{way} {np.mean(values):.3f}" for way, values in caught.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path(MINI))
    parser.add_argument("--out", type=Path, default=Path("runs/judge"))
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--pool", type=int, default=4000, help="frames that go through the VAE once")
    arguments = parser.parse_args()
    start_workers()
    vae = AutoencoderKL.from_pretrained(arguments.model / "vae", torch_dtype=torch.float32).eval()
    parts = [drawn(list(range(90_000_000 + at, 90_000_050 + at))) for at in range(0, arguments.pool, 50)]
    pool = [torch.cat(part) for part in zip(*((through(vae, frames), *rest) for frames, *rest in parts), strict=True)]
    judge = Judge()

    def loss(step: int, generator: torch.Generator) -> Tensor:
        half = BATCH // 2
        fresh = drawn(torch.randint(0, 2**40, (half,), generator=generator).tolist())
        chosen = torch.randint(0, len(pool[0]), (half,), generator=generator)
        frames = torch.cat([worn(fresh[0], generator), pool[0][chosen]])
        shown, grounds = (
            torch.cat([ours, theirs[chosen]]).long() for ours, theirs in zip(fresh[1:], pool[1:], strict=True)
        )
        pixels, ground = judge(frames)
        return 10 * F.cross_entropy(pixels, shown) + F.cross_entropy(ground, grounds)

    # No averaged weights: batch norm's statistics belong to the weights of the moment.
    recipe = Recipe(arguments.steps, 3e-3, ema=0.0, decay_from=0.3)
    train(judge.train(), loss, recipe, arguments.out / "judge.pt")
    judge.eval()
    judge.least = least_overlaps(judge, vae, 500)
    print("least overlaps:", dict(zip(world.SHAPES, judge.least.tolist(), strict=True)))
    save_file({name: tensor.contiguous() for name, tensor in judge.state_dict().items()}, WEIGHTS)
    report(judge, vae, 500)


if __name__ == "__main__":
    main()
