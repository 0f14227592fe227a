"""Where the tokens of frames between key frames come from: along the clip's motion, and else from what looks alike."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vedit.attention.carried import TokenPaths
from vedit.attention.levels import level_size
from vedit.backbone.model import Backbone
from vedit.backbone.temporal import transformer_blocks
from vedit.clip.sizes import Size
from vedit.flow import Flow, nearest, ways_to_ends
from vedit.key_frames import KeyFrames
from vedit.progress import Progress
from vedit.sampling.denoising import noise
from vedit.schedule import training_levels

NOISE_LEVEL = 0.26
"""Share of the training timesteps at which features tell best what belongs together: t = 261 of 1000 (Tang et al. 2023,
"Emergent Correspondence from Image Diffusion", section 5.1)."""


@torch.no_grad()
def token_paths(
    backbone: Backbone,
    latents: Tensor,
    text: Tensor,
    flow: Flow,
    keys: KeyFrames,
    *,
    progress: Progress | None = None,
) -> TokenPaths:
    """Which tokens of its two key frames each token of a frame between them is made of, at each level of the UNet.

    A token whose path leads to both is made of both, each the more the nearer it is (of the distances d to the two, d2
    / (d1 + d2) and d1 / (d1 + d2): a key frame would be made of itself alone). One whose path leads to one of them is
    made of that alone. Where paths to both end, those tokens take their places whose features in the source are the
    nearest.

    Args:
        latents: of the source (F, 4, h, w)
        text: its prompt's embedding (1, T, D)
        flow: of the source

    Source: TokenFlow, Geyer et al. 2023, eqs. 3 and 4, where all tokens go to the nearest features, and weights are a
    sigmoid of the distances.
    """
    cells: Size = (int(latents.shape[2]), int(latents.shape[3]))
    where: dict[int, Tensor] = {}
    share: dict[int, Tensor] = {}
    for number, segment in enumerate(keys.segments):
        frames, between = slice(segment.start, segment.stop), slice(segment.start + 1, segment.stop - 1)
        for tokens, features in _features(backbone, latents[frames], segment.start, text).items():
            size = level_size(cells, tokens)
            found = _between(flow.frames(segment.start, segment.stop), size, features)
            for kept, own in zip((where, share), found, strict=True):
                kept.setdefault(tokens, own.new_zeros(2, len(latents), tokens))[:, between] = own
        if progress is not None:
            progress("matching tokens", number + 1, len(keys.segments))
    return TokenPaths(where, share)


def _between(flow: Flow, cells: Size, features: Tensor) -> tuple[Tensor, Tensor]:
    """Of a segment with both its key frames: (2, F - 2, T) which tokens, and how much each counts."""
    positions, seen = (each[:, 1:-1] for each in ways_to_ends(flow, cells))
    where, last = nearest(positions, cells), len(flow) - 1
    distance = torch.arange(1, last).float() / last
    near = torch.stack([1 - distance, distance])[..., None]  # (2, F - 2, 1)
    lost = ~seen.any(0)
    share = torch.where(lost, near, near * seen)
    for frame, which in enumerate(lost):
        if which.any():
            for side, end in enumerate((0, last)):
                alike = features[frame + 1, which] @ features[end].T
                where[side, frame, which] = alike.argmax(1).to(where.device)
    return where, share / share.sum(0)


def _features(backbone: Backbone, latents: Tensor, first: int, text: Tensor) -> dict[int, Tensor]:
    """Of frames from the ``first`` on, what the last self-attention layer of each level is given: by its number of
    tokens T, (F, T, C) of unit length, on the CPU."""
    levels = training_levels(backbone.scheduler_config).to(backbone.device)
    time, found = int(NOISE_LEVEL * len(levels)), dict[int, Tensor]()
    x = latents.to(backbone.device, torch.float32)
    fresh = noise(0, len(x), (x.shape[1], x.shape[2], x.shape[3]), first=first).to(x)
    with _keeping(backbone.unet, found), backbone.attending("per_frame"):
        backbone.predict(levels[time].noised(x, fresh)[None], time, text)
    return {tokens: F.normalize(each.float(), dim=-1).cpu() for tokens, each in found.items()}


@contextmanager
def _keeping(unet: nn.Module, found: dict[int, Tensor]) -> Iterator[None]:
    """Within the block, what self-attention layers are given is kept, of each number of tokens the last."""

    def keep(_: nn.Module, given: tuple[Tensor, ...]) -> None:
        found[given[0].shape[1]] = given[0]

    handles = [block.attn1.register_forward_pre_hook(keep) for block in transformer_blocks(unet)]
    try:
        yield
    finally:
        for each in handles:
            each.remove()
