"""Train the judge: ``python -m benchmarks.judge.train``.

On frames of all attribute triples, a third of them in rain or snow; half of them are sent through the VAE (the judge
must know what a decoder does to a star's points) or blurred and noised, so that what it says of generated frames is
fair. Its textures and seeds are those of training; its accuracy is reported on held-out ones.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from safetensors.torch import save_file
from torch import Tensor

import world
from benchmarks.judge.model import WEIGHTS, Judge
from training.loop import Recipe, start_workers, train
from vedit.backbone.model_files import MINI
from world.scene import Scene, Split

BATCH = 48

WEATHER = 1 / 3
"""Share of the scenes in rain or snow."""


def any_scene(seed: int, split: Split = "train") -> Scene:
    """A scene of any attribute triple, held out or not: the judge must know them all."""
    rng = np.random.default_rng([31, seed])
    weather: world.Weather = "clear" if rng.random() >= WEATHER else ("rain", "snow")[rng.integers(2)]
    scene = world.sample_scene(seed, split, weather=weather)
    return scene.changed(
        shape=world.SHAPES[rng.integers(5)], colour=world.COLOURS[rng.integers(8)],
        background=world.BACKGROUNDS[rng.integers(6)],
    )  # fmt: skip


def drawn(seeds: list[int], split: Split = "train") -> tuple[Tensor, Tensor, Tensor]:
    """Frames (B, 3, H, W), masks (B, 1, 32, 32), labels (B, 3) as indices of shape, colour, background."""
    scenes = [any_scene(seed, split) for seed in seeds]
    pairs = [world.draw_frame(scene, seed % 8, scene.intensity) for scene, seed in zip(scenes, seeds, strict=True)]
    frames = torch.from_numpy(np.stack([frame for frame, _ in pairs])).clamp(0, 1)
    masks = F.avg_pool2d(torch.from_numpy(np.stack([mask for _, mask in pairs])), 4)
    labels = [
        (
            world.SHAPES.index(scene.objects[0].shape),
            world.COLOURS.index(scene.objects[0].colour),
            world.BACKGROUNDS.index(scene.background),
        )
        for scene in scenes
    ]
    return frames, masks, torch.tensor(labels)


def worn(frames: Tensor, generator: torch.Generator) -> Tensor:
    """Blur, rescale and noise of random strength."""
    strength = float(torch.rand((), generator=generator))
    if strength > 0.4:
        side = int(128 * (1.2 - 0.7 * strength))
        small = F.interpolate(frames, size=(side, side), mode="bilinear", antialias=True)
        frames = F.interpolate(small, size=(128, 128), mode="bilinear")
    noise = torch.randn(frames.shape, generator=generator)
    return (frames + 0.05 * strength * noise).clamp(0, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path(MINI))
    parser.add_argument("--out", type=Path, default=Path("runs/judge"))
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--pool", type=int, default=4000, help="frames that go through the VAE once")
    arguments = parser.parse_args()
    start_workers()
    vae = AutoencoderKL.from_pretrained(arguments.model / "vae", torch_dtype=torch.float32).eval()
    pool: list[tuple[Tensor, ...]] = []
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        for start in range(0, arguments.pool, 50):
            frames, masks, labels = drawn(list(range(90_000_000 + start, 90_000_050 + start)))
            again = vae.decode(vae.encode(frames * 2 - 1).latent_dist.mean).sample.float()
            pool.append(((again / 2 + 0.5).clamp(0, 1), masks, labels))
    through_vae, their_masks, their_labels = (torch.cat(parts) for parts in zip(*pool, strict=True))
    judge = Judge()

    def loss(step: int, generator: torch.Generator) -> Tensor:
        half = BATCH // 2
        frames, masks, labels = drawn(torch.randint(0, 2**40, (half,), generator=generator).tolist())
        chosen = torch.randint(0, len(through_vae), (half,), generator=generator)
        frames = torch.cat([worn(frames, generator), through_vae[chosen]])
        masks, labels = torch.cat([masks, their_masks[chosen]]), torch.cat([labels, their_labels[chosen]])
        shape, colour, background, mask = judge(frames)
        named = zip((shape, colour, background), labels.unbind(1), strict=True)
        words = sum((F.cross_entropy(logits, label) for logits, label in named), torch.zeros(()))
        return words + 2 * F.binary_cross_entropy_with_logits(mask, masks)

    # No averaged weights: batch norm's statistics belong to the weights of the moment.
    recipe = Recipe(arguments.steps, 3e-3, ema=0.0, decay_from=0.3)
    train(judge.train(), loss, recipe, arguments.out / "judge.pt")
    judge.eval()
    save_file({name: tensor.contiguous() for name, tensor in judge.state_dict().items()}, WEIGHTS)
    frames, masks, labels = drawn(list(range(500)), "held_out")
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        again = vae.decode(vae.encode(frames * 2 - 1).latent_dist.mean).sample.float()
    for title, pictures in (("rendered", frames), ("through the VAE", (again / 2 + 0.5).clamp(0, 1))):
        with torch.no_grad():
            found = [logits.argmax(1) for logits in judge(pictures)[:3]]
        right = [float((a == b).float().mean()) for a, b in zip(found, labels.unbind(1), strict=True)]
        print(f"{title}: shape {right[0]:.3f} colour {right[1]:.3f} background {right[2]:.3f}")


if __name__ == "__main__":
    main()
