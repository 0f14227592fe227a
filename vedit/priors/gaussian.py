"""Gaussian starting noise: fresh in each frame, shared by all of them, or wandering from frame to frame."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from vedit.backbone.model import Backbone
from vedit.priors import Prior, PriorInputs, Start
from vedit.sampling.denoising import noise


class Gaussian(Prior):
    """Independent Gaussian noise for every frame, keyed by (seed, frame)."""

    def start(self, backbone: Backbone, given: PriorInputs) -> Start:
        frames, channels, height, width = given.latents.shape
        return Start(self.draw(given.seed, frames, (channels, height, width)).to(backbone.device))

    def draw(self, seed: int, frames: int, shape: tuple[int, int, int]) -> Tensor:
        """Noise (F, *shape)."""
        return noise(seed, frames, shape)


class Walk(Prior):
    """Noise that wanders along great circles from one Gaussian noise to the next, in each frame by ``given.noise_walk``
    of such a way. 0 is the same noise for all frames, 1 a fresh one for each; all of it is Gaussian of unit variance.

    Keyed by the seed and the way gone, so that a longer clip has the same noise in its first frames.
    """

    walks: ClassVar[bool] = True

    def start(self, backbone: Backbone, given: PriorInputs) -> Start:
        frames, channels, height, width = given.latents.shape
        steps = torch.as_tensor(given.noise_walk, dtype=torch.float64).expand(frames).clone()
        steps[0] = 0
        gone = steps.cumsum(0)
        marks = noise(given.seed, int(gone[-1]) + 2, (channels, height, width))
        # Two independent noises are at right angles, near enough, so this is the great circle between them.
        angle = ((gone - gone.floor()) * torch.pi / 2).float()[:, None, None, None]
        here = gone.long()
        return Start((angle.cos() * marks[here] + angle.sin() * marks[here + 1]).to(backbone.device))


class Shared(Gaussian):
    """The same Gaussian noise for all frames, keyed by the seed: what moves is moved by the model, not by the noise.

    The limit of PYoCo's mixed noise (Ge et al. 2023, section 3.2).
    """

    def draw(self, seed: int, frames: int, shape: tuple[int, int, int]) -> Tensor:
        return noise(seed, 1, shape).repeat(frames, 1, 1, 1)
