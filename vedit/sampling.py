"""The one denoising loop."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from vedit.backbone.model import Backbone
from vedit.guiders import Guider
from vedit.progress import Progress
from vedit.schedule import Schedule


@torch.no_grad()
def denoise(
    backbone: Backbone,
    x: Tensor,
    schedule: Schedule,
    guider: Guider,
    *,
    after_step: Callable[[Tensor, int], Tensor] | None = None,
    progress: Progress | None = None,
) -> Tensor:
    """From noise (F, 4, h, w) at the schedule's first step to clean latents (F, 4, h, w), by DDIM.

    ``after_step`` may correct the latents (F, 4, h, w) after the step of a given index (``masks.Keep.blend`` does).
    The branches of the guider run as one batch; when memory does not suffice for that, one after the other.
    """
    x = x.to(backbone.device, torch.float32)
    text = guider.text.to(backbone.device)
    split = False
    for index, t in enumerate(schedule.timesteps.tolist()):
        if not split:
            try:
                outputs = backbone.predict(x.expand(len(text), *x.shape), t, text)
            except torch.cuda.OutOfMemoryError:
                torch.cuda.empty_cache()
                split = True
        if split:
            outputs = torch.cat([backbone.predict(x[None], t, one[None]) for one in text])
        x = schedule.step(x, guider.combine(outputs), index)
        if after_step is not None:
            x = after_step(x, index)
        if progress is not None:
            progress("denoising", index + 1, len(schedule))
    return x


def noise(seed: int, frames: int, shape: tuple[int, int, int], *, first: int = 0) -> Tensor:
    """Gaussian noise (F, *shape), each frame keyed by (seed, frame): a longer clip keeps its first frames' noise."""
    rows = []
    for frame in range(first, first + frames):
        generator = torch.Generator().manual_seed((seed * 0x9E3779B97F4A7C15 + frame * 0xD1B54A32D192ED03) % 2**63)
        rows.append(torch.randn(shape, generator=generator))
    return torch.stack(rows)
