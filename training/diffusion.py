"""Stage 2, text encoder and UNet on frozen latents: ``torchrun --nproc-per-node 2 -m training.diffusion``.

Learns epsilon on Stable Diffusion's own noise schedule, weighted by min-SNR (Hang et al. 2023, eq. 8, gamma 5), with a
little offset noise so that a scene's mean colour is learned from the words instead of being read off the noise.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from training.captions import save_tokenizer, told
from training.loop import Recipe, ship, start_workers, train
from training.pool import read_pool
from training.presets import PRESETS, TOKENS, WORKSHOP, Preset

SCHEDULE = {
    "num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
    "clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1, "prediction_type": "epsilon",
}  # fmt: skip
GAMMA = 5.0
OFFSET_NOISE = 0.1
BATCH = 32

DELICATE = 0.5
"""Share of a batch that shows a person or a star, whose limbs and points are learnt last."""


def build_text(preset: Preset, tokenizer: CLIPTokenizer) -> CLIPTextModel:
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer), hidden_size=preset.text_width, intermediate_size=4 * preset.text_width,
            num_hidden_layers=preset.text_layers, num_attention_heads=4, max_position_embeddings=TOKENS,
            projection_dim=preset.text_width, bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
        )
    )  # fmt: skip


def build_unet(preset: Preset) -> UNet2DConditionModel:
    """Three levels, each with cross-attention: 16, 8 and 4 latent pixels wide at 128 px."""
    return UNet2DConditionModel(
        sample_size=16,
        block_out_channels=preset.unet_channels,
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D",) * 3,
        up_block_types=("CrossAttnUpBlock2D",) * 3,
        cross_attention_dim=preset.text_width,
        attention_head_dim=preset.heads,
        norm_num_groups=16,
    )


class Denoiser(nn.Module):
    """What learns together: the text encoder and the UNet."""

    def __init__(self, text_encoder: CLIPTextModel, unet: UNet2DConditionModel) -> None:
        super().__init__()
        self.text_encoder, self.unet = text_encoder, unet


FOCUS = 4.0
"""How much more an error counts at an object, which covers about a tenth of a picture: its limbs are a few latents."""


@dataclass(frozen=True)
class Noised:
    """Latents (B, 4, h, w) at random ``times`` (B,) of the schedule, whose alpha_bar is ``level`` (B, 1, 1, 1)."""

    latents: Tensor
    noise: Tensor
    times: Tensor
    level: Tensor

    def error(self, predicted: Tensor, weights: Tensor) -> Tensor:
        """Squared error of the predicted noise, weighted by min-SNR and by where (B, 1, h, w) it is made."""
        signal_to_noise = self.level / (1 - self.level)
        weight = signal_to_noise.clamp(max=GAMMA) / signal_to_noise
        return (weights * weight * (predicted.float() - self.noise).square()).mean() / weights.mean()


def add_noise(clean: Tensor, alpha_bar: Tensor, generator: torch.Generator) -> Noised:
    """Noise latents (B, 4, h, w), drawn on the CPU, each at a time of its own; the result is where ``alpha_bar`` is."""
    noise = torch.randn(clean.shape, generator=generator)
    noise = noise + OFFSET_NOISE * torch.randn((len(clean), 4, 1, 1), generator=generator)
    times = torch.randint(0, len(alpha_bar), (len(clean),), generator=generator)
    clean, noise, times = (tensor.to(alpha_bar.device, non_blocking=True) for tensor in (clean, noise, times))
    level = alpha_bar[times][:, None, None, None]
    return Noised(level.sqrt() * clean + (1 - level).sqrt() * noise, noise, times, level)


def train_unet(model: Path, pools: Path, out: Path, preset: Preset, recipe: Recipe, start: Path | None) -> None:
    """Teach the text encoder and the UNet, from the start or from those in the folder ``start``, and put them into the
    folder ``model``, with their tokenizer and noise schedule."""
    _, _, device = start_workers()
    pool = read_pool(pools, 1)
    folder = model / "tokenizer"
    tokenizer = CLIPTokenizer.from_pretrained(folder) if folder.exists() else save_tokenizer(folder)
    torch.manual_seed(0)
    denoiser = Denoiser(build_text(preset, tokenizer), build_unet(preset))
    if start is not None:
        denoiser = Denoiser(
            CLIPTextModel.from_pretrained(start / "text_encoder", dtype=torch.float32),
            UNet2DConditionModel.from_pretrained(start / "unet", torch_dtype=torch.float32),
        )
    denoiser.to(device, memory_format=torch.channels_last).train()
    alpha_bar = DDIMScheduler(**SCHEDULE).alphas_cumprod.to(device)

    def states(texts: tuple[str, ...]) -> Tensor:
        tokens = tokenizer(list(texts), padding="max_length", truncation=True, return_tensors="pt").input_ids
        return denoiser.text_encoder(tokens.to(device)).last_hidden_state

    where = 1.0 + FOCUS * pool.near_objects()
    delicate = torch.tensor([each.objects[0].shape in ("person", "star") for each in pool.scenes]).nonzero()[:, 0]

    def loss(step: int, generator: torch.Generator) -> Tensor:
        chosen = torch.randint(0, len(pool.scenes), (BATCH,), generator=generator)
        wanted = int(DELICATE * BATCH)
        chosen[:wanted] = delicate[torch.randint(0, len(delicate), (wanted,), generator=generator)]
        rng = np.random.default_rng(int(torch.randint(0, 2**40, (1,), generator=generator)))
        first, second, share = zip(*(told(pool.scenes[index], rng) for index in chosen.tolist()), strict=True)
        words = torch.lerp(states(first), states(second), torch.tensor(share, device=device)[:, None, None])
        noised = add_noise(pool.latents[chosen, 0].float(), alpha_bar, generator)
        with torch.autocast(device.type, torch.bfloat16):
            predicted = denoiser.unet(noised.latents, noised.times, words).sample
        return noised.error(predicted, where[chosen].to(device))

    train(denoiser, loss, recipe, out / "unet.pt")
    ship(denoiser.unet, model / "unet")
    ship(denoiser.text_encoder, model / "text_encoder")
    DDIMScheduler(**SCHEDULE).save_pretrained(model / "scheduler")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=PRESETS, default="small")
    parser.add_argument("--model", type=Path, default=WORKSHOP)
    parser.add_argument("--pools", type=Path, default=Path("runs/pool"))
    parser.add_argument("--out", type=Path, default=Path("runs/diffusion"), help="folder of the checkpoint")
    parser.add_argument("--begin-with", type=Path, help="a model's folder to begin with, instead of random weights")
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--decay-from", type=float, default=0.6)
    parser.add_argument("--learning-rate", type=float, default=1.5e-3)
    arguments = parser.parse_args()
    recipe = Recipe(steps=arguments.steps, learning_rate=arguments.learning_rate, decay_from=arguments.decay_from)
    preset = PRESETS[arguments.preset]
    train_unet(arguments.model, arguments.pools, arguments.out, preset, recipe, arguments.begin_with)


if __name__ == "__main__":
    main()
