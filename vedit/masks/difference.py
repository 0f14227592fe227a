"""The automatic mask: where two prompts disagree about a clip."""

from __future__ import annotations

import torch
from torch import Tensor

from vedit.backbone.model import Backbone
from vedit.guiders import same_length
from vedit.masks.keep import surroundings
from vedit.progress import Progress
from vedit.sampling import noise
from vedit.schedule import training_levels
from vedit.threshold import otsu

NOISE_LEVELS = (0.4, 0.5, 0.6, 0.7)
"""Shares of the training timesteps at which the two prompts are compared: where layout is decided, not texture."""

SAMPLES = 2
"""Noises per level; their mean steadies the comparison."""

LOCAL = 3.0
"""How many times more the prompts must differ inside than outside for an edit to count as local."""

AGREED = 1.4
"""How many times less the prompts must differ somewhere, in an edit that is not local, for that to be kept."""


@torch.no_grad()
def difference_mask(
    backbone: Backbone,
    latents: Tensor,
    source: Tensor,
    target: Tensor,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> Tensor:
    """Where two prompts disagree about a clip: (F, 1, h, w) in [0, 1]. DiffEdit (Couairon et al. 2023, section 3.2).

    ``latents`` (F, 4, h, w) of the clip, ``source`` and ``target`` (1, T, D) the prompts' embeddings. The clip is
    noised, both prompts predict the noise, and the edit belongs where they differ; the threshold is the one that best
    parts the differences in two (Otsu 1979). Where the prompts differ about a thing in the picture, they do so many
    times more than elsewhere. Where they differ about its surroundings or its look, they do so nearly everywhere, and
    what is kept is a smaller part where they clearly agree; if there is none, the whole frame is open. Prompts that
    say the same leave nothing open.
    """
    text = torch.cat(same_length(source, target))
    levels = training_levels(backbone.scheduler_config).to(backbone.device)
    shape = tuple(latents.shape[1:])
    total = torch.zeros_like(latents[:, :1])
    for number, share in enumerate(NOISE_LEVELS * SAMPLES):
        time = int(share * len(levels))
        fresh = noise(seed + 1 + number, len(latents), (shape[0], shape[1], shape[2])).to(latents.device)
        noisy = levels[time].sqrt() * latents + (1 - levels[time]).sqrt() * fresh
        one, other = _both(backbone, noisy, time, text)
        total += (other - one).abs().mean(1, keepdim=True)
        if progress is not None:
            progress("finding where to edit", number + 1, len(NOISE_LEVELS) * SAMPLES)
    if not total.any():
        return total  # two prompts that say the same
    smooth = surroundings(total)
    # On roots, or the strongest differences alone would set the threshold.
    inside = smooth.sqrt() > otsu(smooth.sqrt().flatten())
    if not _many_times(smooth, inside, LOCAL):
        scale = total.clamp(min=1e-6 * float(total.max())).log()
        inside = scale > otsu(scale.flatten())
        if inside.float().mean() < 0.5 or not _many_times(total, inside, AGREED):
            inside = torch.ones_like(inside)
    chosen = inside.float()
    return (chosen + surroundings(chosen)) / 2


def _both(backbone: Backbone, noisy: Tensor, time: int, text: Tensor) -> Tensor:
    """What the network says (2, F, 4, h, w) of ``noisy`` latents (F, 4, h, w) for two prompts (2, T, D): in one pass,
    or where memory does not suffice in two."""
    try:
        return backbone.predict(noisy.expand(2, *noisy.shape), time, text)
    except torch.OutOfMemoryError:
        pass
    torch.cuda.empty_cache()
    return torch.cat([backbone.predict(noisy[None], time, each) for each in text.split(1)])


def _many_times(values: Tensor, inside: Tensor, times: float) -> bool:
    """Whether ``values`` are on average so many times larger inside than outside."""
    return bool(inside.any() and not inside.all() and values[inside].mean() >= times * values[~inside].mean())
