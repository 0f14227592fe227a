"""Fresh noise: only the layers that join frames tie the clip together."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from vedit.backbone.model import Backbone
from vedit.priors import Start
from vedit.progress import Progress
from vedit.sampling import noise
from vedit.schedule import Schedule


class Gaussian:
    """Independent Gaussian noise for every frame, keyed by (seed, frame)."""

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
        return Start(noise(seed, frames, (channels, height, width)).to(backbone.device))
