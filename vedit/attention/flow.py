"""Attention along the paths that things take through a clip: FLATTEN (Cong et al. 2023, section 3.3)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from vedit.attention.kinds import SparseCausal
from vedit.attention.levels import level_size
from vedit.clip.sizes import Size
from vedit.config import Settings
from vedit.errors import ConfigError
from vedit.flow import Flow, Tracks, nearest, tracks
from vedit.part import Need

LARGEST_PIECE = 2**25
"""Numbers of keys that are gathered at a time: 128 MiB in float32."""


class FlowGuided(SparseCausal):
    """Frame i sees frames 0 and i - 1; then each token also attends to the tokens along its own track through the clip.

    In this second attention the result of the first is query, key and value, so there are no new weights. It is done at
    every resolution of the UNet. Tokens that are hidden, or have left the picture, are masked. In a window of a long
    clip tracks end with the window.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({"flow"})

    def __init__(self, options: Settings | None = None, flow: Flow | None = None, cells: Size = (0, 0)) -> None:
        """``cells`` (h, w): the size of the latents. Without a flow there is the first attention alone."""
        super().__init__(options)
        self.flow, self.cells = flow, cells
        self._positions: dict[tuple[Size, torch.device], tuple[Tensor, Tensor]] = {}

    def following(self, flow: Flow, cells: Size) -> FlowGuided:
        return FlowGuided(self.options, flow, cells)

    def after(self, tokens: Tensor, heads: int) -> Tensor:
        frames, length = tokens.shape[1:3]
        if self.flow is None or frames == 1:
            return tokens
        if len(self.flow) != frames:
            raise ConfigError(
                f"attention along a flow of {len(self.flow)} frames was asked for {frames}; "
                "estimate the flow of the frames that are worked on."
            )
        return along(tokens, heads, *self._positions_of(level_size(self.cells, length), self.flow, tokens.device))

    def along_track(self, flow: Flow, cells: Size) -> tuple[Tensor, Tensor]:
        """Which tokens each token attends to at a level of ``cells`` (h, w): indices (F T, K) into all F T tokens, and
        which of them count."""
        return indices(tracks(flow, cells), cells)

    def _positions_of(self, cells: Size, flow: Flow, device: torch.device) -> tuple[Tensor, Tensor]:
        if (cells, device) not in self._positions:
            positions, seen = self.along_track(flow, cells)
            self._positions[cells, device] = positions.to(device), seen.to(device)
        return self._positions[cells, device]


class FirstFrameFlow(FlowGuided):
    """Frame i sees frame 0 and itself; then each token also attends to where the thing that it shows was in frame 0.

    After the temporal attention of Motion-I2V (Shi et al. 2024, eq. 5), whose keys are those of frame 0 moved along its
    flow; done as ``flow`` does it, without new weights. In a later window of a long clip the second attention goes back
    to where the thing was in the window's first frame.
    """

    def gather(self, tokens: Tensor, first: Tensor | None = None) -> Tensor:
        if tokens.shape[1] == 1 and first is None:
            return tokens
        return torch.cat([(tokens[:, :1] if first is None else first).expand_as(tokens), tokens], dim=2)

    def following(self, flow: Flow, cells: Size) -> FirstFrameFlow:
        return FirstFrameFlow(self.options, flow, cells)

    def along_track(self, flow: Flow, cells: Size) -> tuple[Tensor, Tensor]:
        count = cells[0] * cells[1]
        every, seen = indices(tracks(flow, cells), cells)  # (F T, F)
        own = torch.arange(len(every))
        itself, there = torch.ones(len(every), dtype=torch.bool), seen[:, 0] & (own >= count)
        return torch.stack([own, every[:, 0]], dim=1), torch.stack([itself, there], dim=1)


def indices(found: Tracks, cells: Size) -> tuple[Tensor, Tensor]:
    """The tokens along each token's track: indices (F T, F) into all F T tokens, and which of them count."""
    which = nearest(found.positions, cells)
    first = torch.arange(len(which))[None, :, None] * (cells[0] * cells[1])
    return (which + first).transpose(1, 2).flatten(0, 1), found.seen.transpose(1, 2).flatten(0, 1)


def along(tokens: Tensor, heads: int, positions: Tensor, seen: Tensor) -> Tensor:
    """softmax(x k^T / sqrt(d)) k over the tokens k that each token x of (N, F, T, C) sees: of the same shape.

    ``positions`` and ``seen`` are those of ``indices``. Few enough at a time that memory stays bounded.
    """
    branches, width = tokens.shape[0], tokens.shape[3]
    every = tokens.flatten(1, 2)
    rows = max(1, LARGEST_PIECE // (branches * positions.shape[1] * width))
    pieces = []
    for query, where, which in zip(every.split(rows, 1), positions.split(rows), seen.split(rows), strict=True):
        keys = every[:, where].unflatten(-1, (heads, -1)).transpose(2, 3)  # (N, R, heads, K, d)
        scores = keys @ query.unflatten(-1, (heads, -1))[..., None] * (width // heads) ** -0.5
        scores = scores.float().masked_fill(~which[None, :, None, :, None], -torch.inf)
        weights = scores.softmax(dim=-2).to(keys.dtype)
        pieces.append((weights * keys).sum(-2).flatten(2))
    return torch.cat(pieces, dim=1).view_as(tokens)
