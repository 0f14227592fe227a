"""A mask from a word: where the model's cross-attention finds it in the clip."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from vedit.backbone.model import Backbone
from vedit.mapped import drawn_in_chunks, in_chunks, room_for
from vedit.masks.latent_blend import surroundings
from vedit.otsu import otsu
from vedit.progress import Progress
from vedit.sampling.denoising import noise
from vedit.schedule import training_levels

NOISE_LEVELS = (0.2, 0.3, 0.4, 0.5)
"""Shares of the training timesteps at which attention is watched: little enough noise that things are still seen."""

POSITIONS = 256
"""How many places the layers that are watched have, as nearly as the network has it: 16 x 16, where a thing is whole
and words part best (Hertz et al. 2023, section 3; Chefer et al. 2023)."""

AT_ONCE = 8
"""Frames that the network sees at a time: always as many, so that a longer clip is the same in its first frames."""

SPREADINGS = 2
"""Times that what a word looks at is spread to the places that look alike."""


@torch.no_grad()
def word_mask(
    backbone: Backbone,
    latents: Tensor,
    text: Tensor,
    tokens: list[int],
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> Tensor:
    """Where a clip shows a word of its prompt: (F, 1, h, w) in [0, 1].

    ``latents`` (F, 4, h, w) of the clip, ``text`` (1, T, D) its prompt, ``tokens`` the word's places among the T. The
    clip is noised, and the cross-attention to the word, a mean over heads and layers, says where it is looked for
    (Hertz et al. 2023, section 3; DAAM, Tang et al. 2023, section 3). That is blotchy, so it is spread along the same
    layers' self-attention, which knows what belongs together (Nguyen et al. 2023, "Dataset Diffusion"). The threshold
    is Otsu's. The frames do not look at each other, and are seen a few at a time.
    """
    frames = len(latents)
    maps = room_for((frames, 1, *latents.shape[2:]), device=latents.device)
    count = passes(frames)
    for number, cut in enumerate(in_chunks(frames, latents, maps, size=AT_ONCE)):

        def told(done: int, number: int = number) -> None:
            if progress is not None:
                progress("finding the word", number * len(NOISE_LEVELS) + done, count)

        maps[cut] = _maps(backbone, latents[cut], cut.start, text, tokens, seed, told)
    threshold = otsu(maps)

    def chosen(part: Tensor) -> Tensor:
        inside = (part > threshold).float()
        return torch.maximum(inside, surroundings(inside))

    return drawn_in_chunks(chosen, maps)


def passes(frames: int) -> int:
    """How often the network is run for a clip of so many ``frames``."""
    return len(NOISE_LEVELS) * -(-frames // AT_ONCE)


def _maps(
    backbone: Backbone,
    latents: Tensor,
    first: int,
    text: Tensor,
    tokens: list[int],
    seed: int,
    told: Callable[[int], None],
) -> Tensor:
    """How far each place of the frames from ``first`` on is looked at for the word: (F, 1, h, w). ``told`` is told how
    many noise levels are done."""
    side = _watched(tuple(latents.shape[-2:]), backbone)
    levels = training_levels(backbone.scheduler_config).to(backbone.device)
    channels, height, width = latents.shape[1:]
    looks: list[Tensor] = []
    alike: list[Tensor] = []
    for number, share in enumerate(NOISE_LEVELS):
        time = int(share * len(levels))
        fresh = noise(seed + 1 + number, len(latents), (channels, height, width), first=first).to(latents.device)
        noisy = levels[time].noised(latents, fresh)
        # Each frame by itself: the attention between frames says where things come from, not what they are.
        with backbone.attending("per_frame"), backbone.recording_attention(side[0] * side[1]) as record:
            backbone.predict(noisy[None], time, text)
        looks += [each[..., tokens].sum(-1) for each in record.cross_attention]
        alike += record.self_attention
        told(number + 1)
    found, belong = torch.stack(looks).mean(0)[..., None], torch.stack(alike).mean(0)
    for _ in range(SPREADINGS):
        found = belong @ found
    maps = found.squeeze(-1).unflatten(1, side)[:, None]
    return F.interpolate(maps, size=(height, width), mode="bilinear", align_corners=False)


def _watched(size: tuple[int, ...], backbone: Backbone) -> tuple[int, int]:
    """The height and width of the UNet's level with about so many ``POSITIONS`` as are wanted; each halves the last."""
    levels = len(backbone.unet.config.block_out_channels)
    sides = [(-(-size[0] // 2**level), -(-size[1] // 2**level)) for level in range(levels)]
    return min(sides, key=lambda side: abs(math.log(side[0] * side[1] / POSITIONS)))
