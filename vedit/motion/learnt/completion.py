"""F, flow completion: a network that says from a picture, and from how a few of its points move, what else goes along.

Regression, not diffusion, as MCDiff's first stage (Chen et al. 2023). Where nothing is drawn the flow that it is shown
holds two learnt numbers and not 0, which says that a point stays: else all that is not drawn would be pinned. Three
things differ. The network is small. It is shown motion in units of the longest that is drawn: a stroke twice as long
moves everything twice as far. And it is shown the motion that is computed from the strokes without learning, and how
firmly that holds each pixel, and says how firmly it should be held: untrained, it changes nothing, and it need only
learn to where a thing ends. What it might say of the motion itself was tried, and was less right than what is computed.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from vedit.backbone.meta_device import MetaParameters
from vedit.backbone.model_files import reading_weights
from vedit.motion.network_folder import check_weights, read_network_config, read_weights, save_network

KIND = "FlowCompletion"
"""What the config of such a network says that it is of, as diffusers' do."""

GROUPS = 8
"""Of the group norms."""

PATCH = 2
"""Pixels of a side of the squares that the finest level sees as one place: it costs a quarter, and says as much."""

SURE = 0.1
"""What is held less counts as held so much, and what is held more as let go so much, where the network is to say
otherwise: of a sigmoid that is flatter it would hardly learn."""

Channels = Annotated[int, Field(ge=GROUPS, le=512, multiple_of=GROUPS)]


@dataclass(frozen=True, config=ConfigDict(strict=True, extra="forbid", allow_inf_nan=False))
class CompletionConfig:
    """What a network is made for.

    channels: of its levels, each half as fine as the one before, the first half as fine as the pictures
    side: pixels of the longer side of the pictures that it looks at; others are brought to it
    radius: of the discs, in these pixels, as which points are drawn

    The ranges are wide for what is trained here, and narrow for what a damaged file may claim.
    """

    channels: Annotated[list[Channels], Field(min_length=2, max_length=6)] = Field(default_factory=lambda: [32, 64, 96])
    side: Annotated[int, Field(ge=32, le=1024)] = 128
    radius: Annotated[float, Field(ge=1, le=32)] = 2.0

    @property
    def multiple(self) -> int:
        """Of which the sides of its pictures are multiples."""
        return int(PATCH * 2 ** (len(self.channels) - 1))


class FlowCompletion(nn.Module):
    """A UNet from a frame and the motion of some of its pixels to which of them go along.

    Source: Chen et al. 2023 (MCDiff), section 3.2.
    """

    def __init__(self, config: CompletionConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.channels
        self.unknown = nn.Parameter(torch.empty(2, 1, 1))
        # The frame, its flow, where that is known, the flow that is computed, and how firmly that holds.
        self.enter = nn.Conv2d((3 + 2 + 1 + 2 + 1) * PATCH**2, widths[0], 3, padding=1)
        pairs = list(pairwise(widths))
        self.down = nn.ModuleList(_Residual(width, width) for width in widths[:-1])
        self.halve = nn.ModuleList(nn.Conv2d(fine, coarse, 3, 2, 1) for fine, coarse in pairs)
        self.middle = nn.ModuleList(
            [_Residual(widths[-1], widths[-1]), _Attention(widths[-1]), _Residual(widths[-1], widths[-1])]
        )
        self.up = nn.ModuleList(_Residual(fine + coarse, fine) for fine, coarse in reversed(pairs))
        self.leave = nn.Conv2d(widths[0], PATCH**2, 3, padding=1)

    @classmethod
    def fresh(cls, config: CompletionConfig | None = None) -> FlowCompletion:
        """A network to be trained, which so far leaves what is computed as it is."""
        made = cls(config or CompletionConfig())
        nn.init.normal_(made.unknown, std=0.5)
        nn.init.zeros_(made.leave.weight)
        assert made.leave.bias is not None
        nn.init.zeros_(made.leave.bias)
        return made

    def forward(self, pictures: Tensor, flow: Tensor, known: Tensor, computed: Tensor, held: Tensor) -> Tensor:
        """How firmly each pixel is held (B, 1, h, w), 0 to 1 or a little beyond.

        Args:
            pictures: (B, 3, h, w) in [0, 1], sides multiples of ``config.multiple``
            flow: (B, 2, h, w) x and y in pixels, of the pixels whose motion is known
            known: (B, 1, h, w) bool, which these are
            computed: (B, 2, h, w) in pixels, how far all of them would go as it is computed from these, were they held
            held: (B, 1, h, w) how firmly they are, 0 to 1
        """
        there = known.to(pictures)
        longest = (flow * there).square().sum(1, keepdim=True).amax((2, 3), keepdim=True).sqrt()  # (B, 1, 1, 1)
        unit = longest.clamp(min=1e-6)
        share = torch.where(known, flow / unit, self.unknown.to(pictures))
        seen = torch.cat([pictures * 2 - 1, share, there, computed / unit, held * 2 - 1], dim=1)
        shown = F.pixel_unshuffle(seen, PATCH)  # (B, 36, h / 2, w / 2)
        x = self.enter(shown)
        skips = []
        for block, halve in zip(self.down, self.halve, strict=True):
            x = block(x)
            skips.append(x)
            x = halve(x)
        for block in self.middle:
            x = block(x)
        for block, skip in zip(self.up, reversed(skips), strict=True):
            x = block(torch.cat([F.interpolate(x, scale_factor=2.0, mode="nearest"), skip], dim=1))
        said = F.pixel_shuffle(self.leave(F.silu(x)), PATCH).float()  # (B, 1, h, w)
        before = torch.logit(held.float(), SURE)
        changed = (torch.sigmoid(before + said) - torch.sigmoid(before)) / (1 - SURE)  # from 0 to 1 and back
        return held + changed

    def save(self, folder: Path, *, overwrite: bool = False) -> None:
        """Write config and weights, in half precision, into a folder. Raises MediaError."""
        save_network(self, self.config, KIND, folder, overwrite=overwrite)


class _Residual(nn.Module):
    """A block of two convolutions, as in a diffusion UNet, without its timestep."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.GroupNorm(GROUPS, before), nn.GroupNorm(GROUPS, after)])
        self.one = nn.Conv2d(before, after, 3, padding=1)
        self.two = nn.Conv2d(after, after, 3, padding=1)
        self.around = nn.Conv2d(before, after, 1) if before != after else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        inner = self.one(F.silu(self.norms[0](x)))
        return self.around(x) + self.two(F.silu(self.norms[1](inner)))


class _Attention(nn.Module):
    """Attention over all places, so that a point of the background may speak for all of it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, width)
        self.to_qkv = nn.Conv2d(width, 3 * width, 1)
        self.to_out = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        q, k, v = self.to_qkv(self.norm(x)).flatten(2).transpose(1, 2).chunk(3, dim=2)  # (B, h w, C) each
        found = F.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None])[:, 0]
        return x + self.to_out(found.transpose(1, 2).unflatten(2, (height, width)))


@reading_weights()
def read_completion_config(folder: Path) -> CompletionConfig:
    """The config of the network in a folder. Raises WeightsError for what is none."""
    return read_network_config(folder, CompletionConfig, KIND, "training.strokes")


@reading_weights()
def load_completion(folder: Path, device: torch.device | str = "cpu") -> FlowCompletion:
    """The network that ``FlowCompletion.save`` wrote into a folder, in float32. Raises WeightsError for what is
    missing, damaged or none."""
    config = read_completion_config(folder)
    check_weights(folder, "training.strokes")
    with MetaParameters():
        network = FlowCompletion(config)
    read_weights(network, folder, "flow completion")
    return network.to(device).eval().requires_grad_(False)
