"""Stage 1, the VAE: ``torchrun --nproc-per-node 2 -m training.vae --stage joint --out runs/vae``.

A joint autoencoder from scratch loses the small objects' colours at this budget. So a 4-component PCA of 8x8x3
patches, most of them on objects, teaches the encoder first and keeps pulling on it while encoder and decoder learn
together (``joint``); then the latents are frozen, and normalised by folding scale and shift into the 1x1
convolutions; later the decoder of the finished model learns on alone (``decoder``).
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from torch import Tensor

from training.data import Pictures, draw_pictures, frame_batch
from training.loop import Recipe, normal, ship, start_workers, train
from training.presets import LATENT_SCALE, PRESETS, WORKSHOP, Preset

JOINT = Recipe(steps=2450, learning_rate=1.6e-3, decay_from=0.55)
DECODER = Recipe(steps=1500, learning_rate=8e-4, decay_from=0.3)
VARIETY = 0.35
DECODER_VARIETY = 0.6
"""Share of scenes with weather, looks or two objects."""
DELICATE = 0.5
"""Share of frames that are redrawn until they show a person or a star, the hardest to keep."""

SHAKEN = 0.07
"""Most noise that is added to latents of unit deviation while learning."""

LOG_VARIANCE = -6.4
"""What the encoder is taught to say of its uncertainty: a deviation of 0.04, the mean of what is added."""

TAUGHT = 600
"""Steps until the teacher no longer pulls."""

PATCH = 8

CROP = 64
"""Pixels along each side."""

POOL = 4096
"""Frames that are drawn once."""


def build(preset: Preset) -> AutoencoderKL:
    """Stable Diffusion's autoencoder at toy width: factor 8, 4 latent channels."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=preset.vae_channels,
        layers_per_block=1,
        norm_num_groups=16,
        latent_channels=4,
        sample_size=128,
        scaling_factor=LATENT_SCALE,
    )


def fit_pca(samples: int = 1500) -> dict[str, Tensor]:
    """Principal components (4, 192) of 8x8 patches in [-1, 1], two thirds of them on objects, with their deviation."""
    generator = torch.Generator().manual_seed(1)
    _, frames, masks = frame_batch(samples, generator, VARIETY)
    patches = F.unfold(frames * 2 - 1, PATCH, stride=PATCH).transpose(1, 2).reshape(-1, 3 * PATCH * PATCH)
    on_object = F.max_pool2d(masks, PATCH).flatten() > 0
    some = torch.randperm(int((~on_object).sum()), generator=generator)[: int(on_object.sum()) // 2]
    patches = torch.cat([patches[on_object], patches[~on_object][some]])
    mean = patches.mean(0)
    _, values, vectors = torch.linalg.svd(patches - mean, full_matrices=False)
    deviation = values[:4] / len(patches) ** 0.5
    return {"mean": mean, "components": vectors[:4].contiguous(), "deviation": deviation}


def pca_latents(pca: dict[str, Tensor], pixels: Tensor) -> Tensor:
    """Pixels (B, 3, H, W) in [-1, 1] to latents (B, 4, H/8, W/8) of unit deviation."""
    weight = (pca["components"] / pca["deviation"][:, None]).view(4, 3, PATCH, PATCH)
    centred = pixels - pca["mean"].view(3, PATCH, PATCH).repeat(1, pixels.shape[2] // PATCH, pixels.shape[3] // PATCH)
    return F.conv2d(centred, weight, stride=PATCH)


def pixel_loss(output: Tensor, shown: Shown) -> Tensor:
    """What is wrong with ``output`` (B, 3, H, W) as eyes see it.

    L1 and squared error, weighted to objects; L1 of 4 and 8 px means, for colour; of differences between neighbours,
    for edges; and of how much of the object's colour each pixel around an object holds, for its outline: an error
    counts the more, the less the object stands out.
    """
    weight = 1 + 4 * F.max_pool2d(shown.masks, 5, stride=1, padding=2)
    error = output - shown.pixels
    loss = (weight * (error.abs() + 4 * error**2)).mean()
    for size in (4, 8):
        loss = loss + (F.avg_pool2d(weight, size) * F.avg_pool2d(error, size).abs()).mean()
    across, down = error[..., :, 1:] - error[..., :, :-1], error[..., 1:, :] - error[..., :-1, :]
    loss = loss + 0.5 * ((weight[..., 1:] * across.abs()).mean() + (weight[..., 1:, :] * down.abs()).mean())
    squared = shown.contrast.square().sum(1)
    cover = (0.5 * error * shown.contrast).sum(1) / (squared + 0.03)
    near = (squared > 0).float()
    return loss + (near * (cover.abs() + 4 * cover**2)).sum() / near.sum().clamp(min=1)


@dataclass(frozen=True)
class Shown:
    """A batch on the device, as ``Pictures``, but of float numbers."""

    pixels: Tensor
    """(B, 3, H, W) in [-1, 1]."""
    masks: Tensor
    """(B, 1, H, W) in [0, 1]."""
    contrast: Tensor
    """(B, 3, H, W)."""


def crop(pictures: Tensor, tops: Tensor, lefts: Tensor) -> Tensor:
    """Of each of (B, C, H, W) the ``CROP`` x ``CROP`` pixels that begin there."""
    along = torch.arange(CROP, device=pictures.device)
    rows, columns = (tops[:, None] + along)[:, :, None], (lefts[:, None] + along)[:, None, :]
    some = torch.arange(len(pictures), device=pictures.device)[:, None, None]
    return pictures.permute(0, 2, 3, 1)[some, rows, columns].permute(0, 3, 1, 2)


def batch(pool: Pictures, step: int, generator: torch.Generator, size: int) -> Shown:
    """``size`` whole frames at every third step, four times as many crops around objects otherwise."""
    whole = step % 3 == 2
    count = size if whole else 4 * size
    chosen = torch.randint(0, len(pool.pixels), (count,), generator=generator).to(pool.pixels.device)
    shown = [pool.pixels[chosen], pool.masks[chosen], pool.contrast[chosen]]
    if not whole:
        cover = (shown[1] > 127).float()[:, 0]  # B H W
        places = torch.arange(cover.shape[-1], device=cover.device, dtype=torch.float32)
        area = cover.sum((1, 2))
        shift = torch.randint(-16, 17, (2, count), generator=generator).to(cover.device)
        tops, lefts = (
            # Without an object, around the middle; on a multiple of 8 px.
            torch.where(area > 0, (cover.sum(other) @ places) / area.clamp(min=1), cover.shape[-1] / 2)
            .add(off - CROP / 2)
            .div(PATCH)
            .floor()
            .mul(PATCH)
            .clamp(0, cover.shape[-1] - CROP)
            .long()
            for other, off in zip((2, 1), shift, strict=True)
        )
        shown = [crop(each, tops, lefts) for each in shown]
    pixels, masks, contrast = (each.float().contiguous(memory_format=torch.channels_last) for each in shown)
    return Shown(pixels / 127.5 - 1, masks / 255, contrast)


def train_joint(model: Path, out: Path, preset: Preset, recipe: Recipe, size: int, device: torch.device) -> None:
    """Encoder and decoder learn together; the outcome, normalised, is put into the folder ``model``."""
    pca_file = out / "pca.safetensors"
    pca = {key: value.to(device) for key, value in (load_file(pca_file) if pca_file.exists() else fit_pca()).items()}
    torch.manual_seed(0)
    vae = build(preset).to(device, memory_format=torch.channels_last)
    pool = draw_pictures(POOL, VARIETY, DELICATE).to(device)

    def loss(step: int, generator: torch.Generator) -> Tensor:
        shown = batch(pool, step, generator, size)
        # Latents are noised, some more and some less: a UNet's are only near the true ones, and must decode alike.
        strength = SHAKEN * torch.rand((len(shown.pixels), 1, 1, 1), generator=generator)
        with torch.autocast(device.type, torch.bfloat16):
            moments = vae.quant_conv(vae.encoder(shown.pixels)).float()
            mean, log_variance = moments.chunk(2, dim=1)
            latents = mean + strength.to(device) * normal(mean.shape, generator, device)
            output = vae.decoder(vae.post_quant_conv(latents)).float()
            # Half the size in latents is half the size in pixels, so that latents vary as smoothly as what they show
            # (EQ-VAE, Kouzelis et al. 2025).
            smaller = vae.decoder(vae.post_quant_conv(F.avg_pool2d(latents, 2))).float() if step % 3 == 1 else None
        wrong = pixel_loss(output, shown)
        if smaller is not None:
            wrong = wrong + 0.5 * (smaller - F.avg_pool2d(shown.pixels, 2)).abs().mean()
        # The teacher's pull gives the channels a start, alike in scale, and fades away: four numbers of a linear map
        # cannot tell the directions of edges. What stays holds each channel's mean and deviation.
        pull = max(0.0, 1 - step / TAUGHT)
        teacher = F.mse_loss(mean, pca_latents(pca, shown.pixels))
        centred = mean.mean((0, 2, 3)).square().mean() + (mean.std((0, 2, 3)) - 1).square().mean()
        steady = (log_variance - LOG_VARIANCE).square().mean()
        return wrong + pull * teacher + 0.1 * centred + 1e-2 * steady

    train(vae, loss, recipe, out / "joint.pt")
    normalise(vae.eval(), frame_batch(256, torch.Generator().manual_seed(2), VARIETY)[1].to(device))
    ship(vae, model / "vae")


def normalise(vae: AutoencoderKL, frames: Tensor) -> None:
    """Fold scale and shift into the 1x1 convolutions: every channel of the latents has mean 0, deviation 1/scale."""
    with torch.no_grad():
        mean = vae.encode(frames * 2 - 1).latent_dist.mean
        centre, gain = mean.mean((0, 2, 3)), 1 / (LATENT_SCALE * mean.std((0, 2, 3)))
        quant, post = vae.quant_conv, vae.post_quant_conv
        quant.weight[:4] *= gain[:, None, None, None]
        quant.bias[:4] = (quant.bias[:4] - centre) * gain
        quant.bias[4:] += 2 * gain.log()
        post.bias += post.weight[:, :, 0, 0] @ centre
        post.weight /= gain[None, :, None, None]


def train_decoder(model: Path, out: Path, recipe: Recipe, size: int, device: torch.device) -> None:
    """The decoder of the Stable Diffusion in the folder ``model`` learns on; the outcome is put there."""
    vae = AutoencoderKL.from_pretrained(model / "vae", torch_dtype=torch.float32)
    vae = vae.to(device, memory_format=torch.channels_last)
    for part in (vae.encoder, vae.quant_conv):
        part.requires_grad_(False)
    pool = draw_pictures(POOL, DECODER_VARIETY, DELICATE).to(device)

    def loss(step: int, generator: torch.Generator) -> Tensor:
        shown = batch(pool, step, generator, size)
        with torch.autocast(device.type, torch.bfloat16):
            with torch.no_grad():
                latents = vae.quant_conv(vae.encoder(shown.pixels))[:, :4].float()
            noise = 0.03 / LATENT_SCALE * normal(latents.shape, generator, device)
            output = vae.decoder(vae.post_quant_conv(latents + noise)).float()
        return pixel_loss(output, shown)

    train(vae, loss, recipe, out / "decoder.pt")
    ship(vae, model / "vae")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stage", choices=["pca", "joint", "decoder"], required=True)
    parser.add_argument("--preset", choices=PRESETS, default="small")
    parser.add_argument("--out", type=Path, default=Path("runs/vae"))
    parser.add_argument("--model", type=Path, default=WORKSHOP)
    parser.add_argument("--steps", type=int, help=f"{JOINT.steps} for joint, {DECODER.steps} for the decoder")
    parser.add_argument("--minutes", type=float, help="instead of the steps")
    parser.add_argument(
        "--batch", type=int, default=8, help="frames at once, for each worker; of crops four times as many"
    )
    arguments = parser.parse_args()
    preset, out = PRESETS[arguments.preset], cast(Path, arguments.out)
    if arguments.stage == "pca":
        out.mkdir(parents=True, exist_ok=True)
        save_file(fit_pca(), out / "pca.safetensors")
        return
    _, _, device = start_workers()
    recipe = DECODER if arguments.stage == "decoder" else JOINT
    recipe = replace(recipe, steps=arguments.steps or recipe.steps, minutes=arguments.minutes)
    if arguments.stage == "decoder":
        train_decoder(arguments.model, out, recipe, arguments.batch, device)
    else:
        train_joint(arguments.model, out, preset, recipe, arguments.batch, device)


if __name__ == "__main__":
    main()
