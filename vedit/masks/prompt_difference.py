"""Where and how two prompts' noise predictions differ for a clip: the automatic mask, and whether shapes can stay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vedit.backbone.model import Backbone
from vedit.config import EditSettings
from vedit.mapped import drawn_in_chunks, in_chunks, room_for
from vedit.masks.latent_blend import surroundings
from vedit.otsu import otsu
from vedit.progress import Progress
from vedit.prompt import Prompt, repeat_to_same_length
from vedit.request import Request
from vedit.sampling.denoising import noise
from vedit.sampling.prediction import Predictor
from vedit.schedule import training_levels

NOISE_LEVELS = (0.4, 0.5, 0.6, 0.7)
"""Shares of the training timesteps at which the two prompts are compared: where layout is decided, not texture."""

SAMPLES: int = EditSettings.model_fields["mask_samples"].default
"""Noises per level by default; their mean steadies the comparison."""

LOCAL = 3.0
"""How many times more the prompts must differ inside than outside for an edit to count as local."""

AGREED = 1.3
"""How many times less the prompts must differ somewhere, in an edit that is not local, for that to be kept."""

CLUSTERED = 0.5
"""Least Moran's I of what is kept then: of a thing it is high, of the grain of a surface low. Of 30 development clips
of the miniature with another ground, it lay between 0.54 and 0.73 where that was the thing, else below 0.46."""

REPAINTS = 0.6
"""Least coherence of a difference that repaints what is there (a colour, a surface, the ground) rather than putting
another shape in its place. Of 18 development clips of the miniature, a third of each, colours lay between 0.79 and
0.94, grounds above 0.92, and shapes below 0.43."""


@dataclass(frozen=True)
class PromptDifference:
    """The difference of two prompts' noise predictions for a clip.

    ``magnitude`` (F, 1, h, w), its mean absolute value over channels; ``direction`` (F, 4, h, w), the second prompt's
    prediction less the first's.
    """

    magnitude: Tensor
    direction: Tensor

    @property
    def coherence(self) -> float:
        """How far the difference points in one direction wherever it is large, 0 to 1; 1 where the predictions are the
        same.

        The length of the mean of its directions (Mardia & Jupp 2000, section 9.2), each weighted by its square. A new
        colour changes much the same everywhere. A new shape takes away in one position what it adds in another.
        """
        sums, weights = [], []
        for cut in in_chunks(len(self.direction), self.direction):
            length = self.direction[cut].norm(dim=1, keepdim=True)  # (F', 1, h, w)
            sums.append((self.direction[cut] * length).double().sum((2, 3)))
            weights.append(length.double().square().sum((1, 2, 3)))
        total = float(torch.cat(weights).sum())
        return float(torch.cat(sums).sum(0).norm()) / total if total > 0 else 1.0

    @property
    def repaints(self) -> bool:
        """Whether the shapes in the clip can stay as they are."""
        return self.coherence >= REPAINTS

    def mask(self) -> Tensor:
        """Where the edit belongs: (F, 1, h, w) in [0, 1]. DiffEdit (Couairon et al. 2023, section 3.2).

        The threshold is the one that best parts the differences in two (Otsu 1979). Where the prompts differ about a
        thing in the picture, they do so many times more than elsewhere. Where they differ about its surroundings or its
        look, they do so nearly everywhere, and what is kept is a smaller part, lying together, where they clearly
        agree; if there is none, the whole frame is open. Prompts that say the same leave nothing open.
        """
        total = self.magnitude
        largest = float(total.max())
        if largest == 0:
            return total
        smooth = drawn_in_chunks(surroundings, total)
        # On roots, or the strongest differences alone would set the threshold.
        inside = _above_otsu(torch.sqrt, smooth)
        if not _many_times(smooth, inside, LOCAL):
            inside = _above_otsu(lambda part: part.clamp(min=1e-6 * largest).log(), total)
            lesser = inside.sum() >= inside.numel() / 2
            if not (lesser and _many_times(total, inside, AGREED) and _clustering(inside) >= CLUSTERED):
                inside = torch.ones_like(inside)
        # Open wholly inside: ``LatentBlend`` blends after each step, so that what is half open is hardly open at all,
        # and the source would stay along a thing's edge.
        return drawn_in_chunks(lambda part: torch.maximum(part.float(), surroundings(part.float())), inside)


@torch.no_grad()
def compare_prompts(
    backbone: Backbone,
    latents: Tensor,
    source: Tensor,
    *targets: Tensor,
    seed: int = 0,
    samples: int = SAMPLES,
    only: Sequence[Sequence[int]] | None = None,
    progress: Progress | None = None,
) -> list[PromptDifference]:
    """The differences of several prompts' noise predictions from the source prompt's, for a clip that is noised.

    ``latents`` (F, 4, h, w) of the clip; ``source``, and each of the ``targets``, (1, T, D), the prompts' embeddings;
    ``samples``, how many noises there are per level.
    ``only`` are groups of frames that are seen, by their indices, each by itself; in the others there is no difference.
    """
    prompts, predict = Prompt(torch.cat(repeat_to_same_length(source, *targets))), Predictor(backbone, only)
    levels = training_levels(backbone.scheduler_config).to(backbone.device)
    channels, height, width = latents.shape[1:]
    magnitude, direction = (
        room_for((len(targets), len(latents), each, height, width), device=latents.device).zero_()
        for each in (1, channels)
    )
    noisy = room_for(latents.shape, device=latents.device)
    for number, share in enumerate(NOISE_LEVELS * samples):
        time, own = int(share * len(levels)), seed + 1 + number
        for cut in in_chunks(len(latents), noisy, latents):
            count = cut.stop - cut.start
            fresh = noise(own, count, (channels, height, width), first=cut.start).to(latents.device)
            noisy[cut] = levels[time].noised(latents[cut], fresh)
        told = predict(Request(noisy, time, prompts), step=number)
        for cut in in_chunks(len(latents), told, magnitude, direction):
            gap = told[1:, cut] - told[:1, cut]
            magnitude[:, cut] += gap.abs().mean(2, keepdim=True)
            direction[:, cut] += gap
        if progress is not None:
            progress("finding where to edit", number + 1, len(NOISE_LEVELS) * samples)
    return [PromptDifference(*each) for each in zip(magnitude, direction, strict=True)]


def _above_otsu(scale: Callable[[Tensor], Tensor], values: Tensor) -> Tensor:
    """Where ``values`` (F, 1, h, w), on a ``scale`` of their own, lie above the threshold that parts them in two."""
    scaled = drawn_in_chunks(scale, values)
    threshold = otsu(scaled)
    return drawn_in_chunks(lambda part: part > threshold, scaled)


def _many_times(values: Tensor, inside: Tensor, times: float) -> bool:
    """Whether ``values`` (F, 1, h, w) are on average so many times larger ``inside`` than outside."""
    count = int(inside.sum())
    if count in (0, inside.numel()):
        return False
    # Of each frame by itself, so that the sum does not depend on how many are looked at at once.
    within = drawn_in_chunks(lambda part, which: (part * which).double().sum((1, 2, 3)), values, inside).sum()
    whole = drawn_in_chunks(lambda part: part.double().sum((1, 2, 3)), values).sum()
    return bool(within / count >= times * (whole - within) / (inside.numel() - count))


def _clustering(inside: Tensor) -> float:
    """How far what lies ``inside`` (F, 1, h, w) lies together, and so what lies outside: -1 to 1, about 0 by chance.

    Moran's I (Moran 1950) of 3 x 3 latents. 0 where all or nothing lies inside.
    """
    share = float(inside.sum()) / inside.numel()
    if share in (0, 1):
        return 0.0

    def products(part: Tensor) -> Tensor:
        return ((part.float() - share) * (surroundings(part.float()) - share)).double().sum((1, 2, 3))

    return float(drawn_in_chunks(products, inside).sum()) / (inside.numel() * share * (1 - share))
