"""Fresh noise: only the layers that join frames tie the clip together."""

from __future__ import annotations

from torch import Tensor

from vedit.backbone.model import Backbone
from vedit.priors import Given, Start
from vedit.sampling import noise


class Gaussian:
    """Independent Gaussian noise for every frame, keyed by (seed, frame)."""

    def start(self, backbone: Backbone, given: Given) -> Start:
        frames, channels, height, width = given.latents.shape
        return Start(self.draw(given.seed, frames, (channels, height, width)).to(backbone.device))

    def draw(self, seed: int, frames: int, shape: tuple[int, int, int]) -> Tensor:
        """Noise (F, *shape)."""
        return noise(seed, frames, shape)


class Shared(Gaussian):
    """The same Gaussian noise for all frames, keyed by the seed: what moves is moved by the model, not by the noise.

    The limit of PYoCo's mixed noise (Ge et al. 2023, section 3.2).
    """

    def draw(self, seed: int, frames: int, shape: tuple[int, int, int]) -> Tensor:
        return noise(seed, 1, shape).repeat(frames, 1, 1, 1)
