"""One noise for all frames: what moves is moved by the model, not by the noise."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from vedit.backbone.model import Backbone
from vedit.priors import Start
from vedit.progress import Progress
from vedit.sampling import noise
from vedit.schedule import Schedule


class Shared:
    """The same Gaussian noise for every frame, keyed by the seed; the limit of PYoCo's mixed noise (Ge et al. 2023)."""

    def start(
        self,
        backbone: Backbone,
        latents: Tensor,
        text: Tensor,
        schedule: Schedule,
        *,
        seed: int,
        cache: Path | None = None,
        progress: Progress | None = None,
    ) -> Start:
        frames, channels, height, width = latents.shape
        one = noise(seed, 1, (channels, height, width))
        return Start(one.expand(frames, -1, -1, -1).contiguous().to(backbone.device))
