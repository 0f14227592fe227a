"""The VAE of a checkpoint: frames to latents and back, one at a time."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vedit.backbone.vae_tiles import TiledOnOutOfMemory
from vedit.clip.arrays import check_frames
from vedit.errors import MediaError
from vedit.mapped import in_chunks, room_for

if TYPE_CHECKING:
    from diffusers import AutoencoderKL


class Autoencoder:
    """A VAE, which runs in float32. Latents are scaled as the UNet expects them.

    Shapes: F frames, H W their size, h w the latent size.
    """

    def __init__(self, vae: AutoencoderKL) -> None:
        self._vae = vae
        self._tiled = TiledOnOutOfMemory(vae)

    @property
    def scale_factor(self) -> int:
        """Pixels per latent pixel. 8 for Stable Diffusion."""
        return int(2 ** (len(self._vae.config.block_out_channels) - 1))

    @torch.no_grad()
    def encode(self, frames: Tensor, device: torch.device) -> Tensor:
        """Frames (F, 3, H, W) in [0, 1] to latents (F, 4, h, w) float32: the posterior's mean, which repeats.

        Raises TypeError and ValueError for what are no frames, and MediaError unless H and W are multiples of
        ``scale_factor``.
        """
        check_frames(frames)
        height, width = frames.shape[-2:]
        factor = self.scale_factor
        if height % factor or width % factor:
            raise MediaError(
                f"the frames are {width}x{height}; this model takes multiples of {factor}: "
                f"use clip.resized(({height // factor * factor}, {width // factor * factor}))."
            )
        shape = len(frames), self._vae.config.latent_channels, height // factor, width // factor
        latents = room_for(shape, device=device)
        for chunk in in_chunks(len(frames), frames, latents):
            for index in range(chunk.start, chunk.stop):
                pixels = (frames[index, None] * 2 - 1).to(device, torch.float32)
                mean = self._tiled(height * width, partial(self._mean, pixels))
                latents[index] = mean[0] * self._vae.config.scaling_factor
        return latents

    @torch.no_grad()
    def decode(self, latents: Tensor, device: torch.device) -> Tensor:
        """Latents (F, 4, h, w) to frames (F, 3, H, W) in [0, 1] float32 on the CPU."""
        cell = self.scale_factor
        frames = room_for((len(latents), 3, latents.shape[2] * cell, latents.shape[3] * cell))
        for chunk in in_chunks(len(latents), frames, latents):
            for index in range(chunk.start, chunk.stop):
                scaled = self._unscaled(latents[index, None], device)
                pixels = self._tiled(frames[index, 0].numel(), partial(self._vae.decode, scaled)).sample.cpu()
                frames[index] = (pixels[0].float() / 2 + 0.5).clamp(0, 1)
        return frames

    def decode_with_gradient(self, latents: Tensor, device: torch.device) -> Tensor:
        """As ``decode``, on the ``device``, for an energy of frames: gradients lead back to the latents, also where a
        pixel is past black or white."""
        scaled = self._unscaled(latents, device)
        return torch.cat([self._vae.decode(one).sample for one in scaled.split(1)]) / 2 + 0.5

    def _mean(self, pixels: Tensor) -> Tensor:
        """The mean (1, 4, h, w) of the posterior for a frame (1, 3, H, W) in [-1, 1]."""
        mean: Tensor = self._vae.encode(pixels).latent_dist.mode()
        return mean

    def _unscaled(self, latents: Tensor, device: torch.device) -> Tensor:
        return latents.to(device, torch.float32) / self._vae.config.scaling_factor
