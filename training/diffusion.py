"""Stage 2, text encoder and UNet on frozen latents.

``python -m training.diffusion --stage pool`` encodes the training frames once; then
``torchrun --nproc-per-node 2 -m training.diffusion --stage unet`` learns epsilon on Stable Diffusion's own noise
schedule, weighted by min-SNR (Hang et al. 2023, eq. 8, gamma 5), with a little offset noise so that a scene's mean
colour is learned from the words instead of being read off the noise.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from training.captions import save_tokenizer, sentence
from training.data import draw_scene, frame_batch
from training.loop import Recipe, start_workers, train
from training.presets import LATENT_SCALE, PRESETS, TOKENS, Preset
from training.vae import load_joint

SCHEDULE = {
    "num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
    "clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1, "prediction_type": "epsilon",
}  # fmt: skip
GAMMA = 5.0
OFFSET_NOISE = 0.1
BATCH = 32
SHARD = 1024


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


def build(preset: Preset, tokenizer: CLIPTokenizer) -> Denoiser:
    return Denoiser(build_text(preset, tokenizer), build_unet(preset))


@dataclass(frozen=True)
class Noised:
    """Latents (B, 4, h, w) at random ``times`` (B,) of the schedule, whose alpha_bar is ``level`` (B, 1, 1, 1)."""

    latents: Tensor
    noise: Tensor
    times: Tensor
    level: Tensor

    def error(self, predicted: Tensor) -> Tensor:
        """Squared error of the predicted noise, weighted by min-SNR."""
        signal_to_noise = self.level / (1 - self.level)
        weight = signal_to_noise.clamp(max=GAMMA) / signal_to_noise
        return (weight * (predicted.float() - self.noise).square()).mean()


def add_noise(clean: Tensor, alpha_bar: Tensor, generator: torch.Generator) -> Noised:
    """Noise latents (B, 4, h, w), drawn on the CPU, each at a time of its own; the result is where ``alpha_bar`` is."""
    noise = torch.randn(clean.shape, generator=generator)
    noise = noise + OFFSET_NOISE * torch.randn((len(clean), 4, 1, 1), generator=generator)
    times = torch.randint(0, len(alpha_bar), (len(clean),), generator=generator)
    clean, noise, times = (tensor.to(alpha_bar.device, non_blocking=True) for tensor in (clean, noise, times))
    level = alpha_bar[times][:, None, None, None]
    return Noised(level.sqrt() * clean + (1 - level).sqrt() * noise, noise, times, level)


def encode_shard(vae: AutoencoderKL, path: Path, number: int, variety: float, device: torch.device) -> None:
    """Encode one shard of training frames: "seeds" (B,) and scaled "latents" (B, 4, 16, 16) in half precision."""
    seeds, latents = [], []
    for batch in range(number * SHARD // 64, (number + 1) * SHARD // 64):
        seeds.append(torch.randint(0, 2**40, (64,), generator=torch.Generator().manual_seed(50_000_000 + batch)))
        _, frames, _ = frame_batch(64, torch.Generator().manual_seed(50_000_000 + batch), variety)
        pixels = (frames * 2 - 1).to(device, memory_format=torch.channels_last)
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16):
            moments = vae.quant_conv(vae.encoder(pixels))
        latents.append((moments[:, :4].float() * LATENT_SCALE).half().cpu())
    beside = path.with_suffix(".part")
    save_file({"seeds": torch.cat(seeds), "latents": torch.cat(latents).contiguous()}, beside)
    beside.replace(path)


def train_unet(out: Path, preset: Preset, variety: float, recipe: Recipe, device: torch.device) -> None:
    tokenizer_folder = out / "tokenizer"
    tokenizer = (
        CLIPTokenizer.from_pretrained(tokenizer_folder)
        if tokenizer_folder.exists()
        else save_tokenizer(tokenizer_folder)
    )
    shards = [load_file(path) for path in sorted(out.glob("pool*.safetensors"))]
    latents, seeds = (torch.cat([shard[key] for shard in shards]) for key in ("latents", "seeds"))
    torch.manual_seed(0)
    model = build(preset, tokenizer).to(device)
    alpha_bar = DDIMScheduler(**SCHEDULE).alphas_cumprod.to(device)

    def loss(step: int, generator: torch.Generator) -> Tensor:
        chosen = torch.randint(0, len(seeds), (BATCH,), generator=generator)
        texts = [
            sentence(draw_scene(seed, variety), np.random.default_rng([step, seed])) for seed in seeds[chosen].tolist()
        ]
        noised = add_noise(latents[chosen].float(), alpha_bar, generator)
        tokens = tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids.to(device)
        words = model.text_encoder(tokens).last_hidden_state
        with torch.autocast(device.type, torch.bfloat16):
            predicted = model.unet(noised.latents, noised.times, words).sample
        return noised.error(predicted)

    train(model, loss, recipe, out / "unet.pt")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stage", choices=["pool", "unet"], required=True)
    parser.add_argument("--preset", choices=PRESETS, default="small")
    parser.add_argument("--vae", type=Path, default=Path("runs/vae"))
    parser.add_argument("--out", type=Path, default=Path("runs/diffusion"))
    parser.add_argument("--pool", type=int, default=25600, help="frames to encode")
    parser.add_argument("--steps", type=int, default=4200)
    parser.add_argument("--decay-from", type=float, default=0.62)
    parser.add_argument("--variety", type=float, default=0.0, help="share of scenes with weather, looks, two objects")
    arguments = parser.parse_args()
    preset = PRESETS[arguments.preset]
    rank, workers, device = start_workers()
    if arguments.stage == "pool":
        vae = load_joint(arguments.vae, preset).to(device, memory_format=torch.channels_last)
        arguments.out.mkdir(parents=True, exist_ok=True)
        for number in range(rank, arguments.pool // SHARD, workers):
            path = arguments.out / f"pool{number:03d}.safetensors"
            if not path.exists():
                encode_shard(vae, path, number, arguments.variety, device)
        return
    recipe = Recipe(steps=arguments.steps, learning_rate=1.5e-3, decay_from=arguments.decay_from)
    train_unet(arguments.out, preset, arguments.variety, recipe, device)


if __name__ == "__main__":
    main()
