"""Stage 2, text encoder and UNet on frozen latents: ``torchrun --nproc-per-node 2 -m training.diffusion``.

Learns epsilon on Stable Diffusion's own noise schedule, weighted as v and bounded as in min-SNR (Hang et al. 2023,
eq. 8, gamma 5), with a little offset noise so that a scene's mean colour is learned from the words instead of being
read off the noise.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from training.captions import save_tokenizer
from training.loop import COMPILE, Given, Recipe, Replayable, in_bfloat16, normal, ship, start_workers, train
from training.motion_reading import MOMENTS, MotionReading
from training.pool import Pool, read_pool
from training.presets import PRESETS, TOKENS, WORKSHOP, Preset

SCHEDULE = {
    "num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
    "clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1, "prediction_type": "epsilon",
}  # fmt: skip
GAMMA = 5.0
OFFSET_NOISE = 0.1

HEAVIEST = 20.0
"""Most that an error of epsilon counts."""

DELICATE = 0.6
"""Share of a batch that shows a person, a star or two things, which are learnt last."""

DECIDING = (0.25, 0.9)
"""Between which shares of the schedule, from clean to noise, outlines are decided;"""

OFTEN = 0.6
"""and the share of the timesteps that are drawn from there alone."""


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
    """What learns together: the text encoder, the UNet, and what reads off its features how things move."""

    def __init__(self, text_encoder: CLIPTextModel, unet: UNet2DConditionModel) -> None:
        super().__init__()
        self.text_encoder, self.unet, self.reading = text_encoder, unet, MotionReading(unet)


FOCUS = 4.0
"""How much more an error counts at an object, which covers about a tenth of a picture: its limbs are a few latents."""

READING = 1.0
"""How much it counts how things move, as it is read off the UNet's features."""

READING_FILE = "reading.safetensors"
"""What reads it, beside the checkpoint: the motion modules learn from it too."""


@dataclass(frozen=True)
class Noised:
    """Latents (B, 4, h, w) at random ``times`` (B,) of the schedule, whose alpha_bar is ``level`` (B, 1, 1, 1)."""

    latents: Tensor
    noise: Tensor
    times: Tensor
    level: Tensor

    def error(self, predicted: Tensor, weights: Tensor) -> Tensor:
        """Squared error of the predicted noise, weighted by its level and by where (B, 1, h, w) it is made.

        As an error of v counts (Salimans & Ho 2022, section 4), but at most ``GAMMA`` times one of the latents, and in
        near pure noise at most ``HEAVIEST`` times one of epsilon: where limbs go is decided there, of which errors of
        epsilon hardly speak.
        """
        signal_to_noise = self.level / (1 - self.level)
        weight = ((1 + signal_to_noise).clamp(max=GAMMA) / signal_to_noise).clamp(max=HEAVIEST)
        return (weights * weight * (predicted.float() - self.noise).square()).mean() / weights.mean()


def drawn_times(count: int, schedule: int, generator: torch.Generator) -> Tensor:
    """Timesteps (B,) of a schedule, more of them where outlines are decided."""
    begin, end = (round(share * schedule) for share in DECIDING)
    some = torch.randint(0, schedule, (count,), generator=generator)
    deciding = torch.randint(begin, end, (count,), generator=generator)
    return torch.where(torch.rand(count, generator=generator) < OFTEN, deciding, some)


def add_noise(clean: Tensor, alpha_bar: Tensor, times: Tensor, generator: torch.Generator) -> Noised:
    """Noise latents (B, 4, h, w), each at a time of its own (B,); all end up where ``alpha_bar`` is."""
    device = alpha_bar.device
    noise = normal(clean.shape, generator, device)
    noise = noise + OFFSET_NOISE * normal((len(clean), 4, 1, 1), generator, device)
    times = times.to(device, non_blocking=True)
    level = alpha_bar[times][:, None, None, None]
    return Noised(level.sqrt() * clean + (1 - level).sqrt() * noise, noise, times, level)


def embedded(encoder: CLIPTextModel, tokens: Tensor, shares: Tensor) -> Tensor:
    """What the UNet is told (B, T, D) by two prompts (B, 2, T) and the share (B,) of the second."""
    states = encoder(tokens.flatten(0, 1)).last_hidden_state.unflatten(0, (-1, 2))
    return torch.lerp(states[:, 0], states[:, 1], shares.to(states)[:, None, None])


def train_unet(
    model: Path, pool: Pool, out: Path, preset: Preset, recipe: Recipe, batch: int, start: Path | None, compiled: bool
) -> None:
    """Teach the text encoder and the UNet, from the start or from those in the folder ``start``, and put them into the
    folder ``model``, with their tokenizer and noise schedule."""
    rank, _, device = start_workers()
    pool = pool.to(device)
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

    moments = torch.tensor(MOMENTS, device=device)
    delicate = pool.delicate.nonzero()[:, 0].cpu()

    def draw(step: int, generator: torch.Generator) -> Given:
        chosen = torch.randint(0, len(pool), (batch,), generator=generator)
        if len(delicate):
            wanted = int(DELICATE * batch)
            chosen[:wanted] = delicate[torch.randint(0, len(delicate), (wanted,), generator=generator)]
        chosen = chosen.to(device, non_blocking=True)
        frame = torch.randint(0, pool.latents.shape[1], (batch,), generator=generator).to(device, non_blocking=True)
        times = drawn_times(batch, len(alpha_bar), generator)
        noised = add_noise(pool.latents[chosen, frame].float(), alpha_bar, times, generator)
        tokens, shares, motions = pool.telling(chosen, generator)
        places = pool.places(chosen, frame[:, None] + moments)
        return noised.latents, noised.noise, noised.times, noised.level, tokens, shares, motions, places

    def error(
        latents: Tensor, noise: Tensor, times: Tensor, level: Tensor, tokens: Tensor, shares: Tensor, motions: Tensor,
        places: Tensor,
    ) -> Tensor:  # fmt: skip
        features.clear()
        with in_bfloat16(device):
            words = embedded(denoiser.text_encoder, tokens, shares)
            predicted = denoiser.unet(latents, times, words).sample
        now = places[:, MOMENTS.index(0)].any(1, keepdim=True)
        wrong = Noised(latents, noise, times, level).error(predicted, 1 + FOCUS * now)
        return wrong + READING * denoiser.reading.error(features, motions, places)

    with denoiser.reading.features(denoiser.unet) as features:
        if compiled:
            denoiser.unet.compile()
        train(denoiser, Replayable(draw, error), recipe, out / "unet.pt")
    if rank == 0:
        save_file(denoiser.reading.state_dict(), out / READING_FILE)
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
    parser.add_argument("--minutes", type=float, help="instead of the steps")
    parser.add_argument("--batch", type=int, default=32, help="pictures at once, for each worker")
    parser.add_argument("--compile", action="store_true", help=COMPILE)
    parser.add_argument("--frames", type=int, default=1, help="of each scene in the pool; a picture is any of them")
    arguments = parser.parse_args()
    recipe = Recipe(
        arguments.steps, arguments.learning_rate, decay_from=arguments.decay_from, minutes=arguments.minutes
    )
    pool, preset = read_pool(arguments.pools, arguments.frames), PRESETS[arguments.preset]
    train_unet(
        arguments.model, pool, arguments.out, preset, recipe, arguments.batch, arguments.begin_with, arguments.compile
    )


if __name__ == "__main__":
    main()
