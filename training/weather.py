"""Stage 4, rain, snow and looks: ``python -m training.weather``. The text encoder and the UNet go on learning.

Most of what they see is as before, so that they keep it. How hard it rains or snows is said by a word, and between the
words by the mix of their embeddings: half of the scenes with weather are told as so much of "light" and so much of
"heavy" as is exact. So there is a straight line in the space of embeddings along which it rains ever harder. Learns
beside the model's folder, and ends up in it; ControlNets are trained after it.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

import world
from training.captions import sentence, with_words
from training.data import encode
from training.diffusion import BATCH, Denoiser, add_noise
from training.loop import Recipe, ship, start_workers, train
from vedit.backbone.sources import MINI
from world.scene import STRENGTHS, Scene

POOL = 16384
"""Frames."""

PLAIN, LOOKS = 0.4, 0.15
"""Shares of the scenes in clear air and the plain look, and of those in another look; the others have weather."""

MIXED = 0.5
"""Share of the scenes with weather that are told by mixed embeddings."""


def draw_scene(seed: int) -> Scene:
    """A training scene of one object."""
    rng = np.random.default_rng([23, seed])
    roll, weather = rng.random(), ("rain", "snow")[rng.integers(2)]
    if roll < PLAIN:
        return world.sample_scene(seed)
    if roll < PLAIN + LOOKS:
        return world.sample_scene(seed, look=("sketch", "neon")[rng.integers(2)])
    return world.sample_scene(seed, weather=weather)


def told(scene: Scene, rng: np.random.Generator) -> tuple[str, str, float]:
    """Two prompts, and how much of the second there is in the mix."""
    if scene.weather == "clear" or rng.random() >= MIXED:
        text = sentence(scene, rng)
        return text, text, 0.0
    plain = scene.changed(weather="clear").caption if rng.random() < 0.7 else scene.background
    light, heavy = (f"{plain} in {word} {scene.weather}" for word in STRENGTHS)
    return light, heavy, scene.strength


def learn(model: Path, out: Path, recipe: Recipe) -> None:
    """Train on from the Stable Diffusion in the folder ``model``, and put the outcome there."""
    _, _, device = start_workers()
    tokenizer = with_words(CLIPTokenizer.from_pretrained(model / "tokenizer"), STRENGTHS, out / "tokenizer")
    torch.manual_seed(0)
    denoiser = Denoiser(
        CLIPTextModel.from_pretrained(model / "text_encoder", dtype=torch.float32),
        UNet2DConditionModel.from_pretrained(model / "unet", torch_dtype=torch.float32),
    )
    denoiser.text_encoder.resize_token_embeddings(len(tokenizer))
    denoiser.to(device, memory_format=torch.channels_last).train()
    vae = AutoencoderKL.from_pretrained(model / "vae", torch_dtype=torch.float32)
    vae = vae.to(device, memory_format=torch.channels_last).requires_grad_(False)
    alpha_bar = DDIMScheduler.from_pretrained(model / "scheduler").alphas_cumprod.to(device)
    seeds = torch.randint(0, 2**40, (POOL,), generator=torch.Generator().manual_seed(60_000_000)).tolist()
    scenes = [draw_scene(seed) for seed in seeds]
    latents = torch.cat([encode(vae, scenes[at : at + BATCH], seeds[at : at + BATCH]) for at in range(0, POOL, BATCH)])

    def states(texts: tuple[str, ...]) -> Tensor:
        tokens = tokenizer(list(texts), padding="max_length", truncation=True, return_tensors="pt").input_ids
        return denoiser.text_encoder(tokens.to(device)).last_hidden_state

    def loss(step: int, generator: torch.Generator) -> Tensor:
        chosen = torch.randint(0, POOL, (BATCH,), generator=generator)
        rng = np.random.default_rng(int(torch.randint(0, 2**40, (1,), generator=generator)))
        first, second, share = zip(*(told(scenes[index], rng) for index in chosen.tolist()), strict=True)
        words = torch.lerp(states(first), states(second), torch.tensor(share, device=device)[:, None, None])
        noised = add_noise(latents[chosen], alpha_bar, generator)
        with torch.autocast(device.type, torch.bfloat16):
            predicted = denoiser.unet(noised.latents, noised.times, words).sample
        return noised.error(predicted)

    train(denoiser, loss, recipe, out / "weather.pt")
    ship(denoiser.unet, model / "unet")
    ship(denoiser.text_encoder, model / "text_encoder")
    shutil.copytree(out / "tokenizer", model / "tokenizer", dirs_exist_ok=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path(MINI))
    parser.add_argument("--out", type=Path, default=Path("runs/weather"))
    parser.add_argument("--steps", type=int, default=3000)
    arguments = parser.parse_args()
    learn(arguments.model, arguments.out, Recipe(arguments.steps, learning_rate=6e-4, decay_from=0.4))


if __name__ == "__main__":
    main()
