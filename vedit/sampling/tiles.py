"""Tiles: the overlapping parts of a large picture that a network sees one after the other in each step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from vedit.backbone.model import Backbone
from vedit.clip.sizes import Size
from vedit.errors import ConfigError
from vedit.graph.unfinished import Unfinished
from vedit.mapped import in_chunks, let_go, room_for
from vedit.progress import Progress
from vedit.request import Control, Request
from vedit.sampling.guiders import Guider
from vedit.sampling.prediction import Predictor
from vedit.schedule import Schedule

SHARED = 4
"""Of the side of a tile, this part is shared with the next."""


@dataclass(frozen=True)
class Tile:
    """One part of a picture's latents.

    Attributes:
        rows, columns: of the latents that it holds
        weight: (h, w) how much what is said of each of them counts, above 0 to 1: it fades where others overlap it
    """

    rows: slice
    columns: slice
    weight: Tensor

    def pixels(self, vae_scale_factor: int) -> tuple[slice, slice]:
        """The rows and columns of the pixels that it shows."""
        return tuple(slice(each.start * vae_scale_factor, each.stop * vae_scale_factor) for each in self._sides)  # type: ignore[return-value]

    @property
    def _sides(self) -> tuple[slice, slice]:
        return self.rows, self.columns


def tiles_of(size: Size, side: int) -> list[Tile]:
    """The tiles of latents of a ``size`` (h, w), each of ``side`` x ``side`` of them or the whole of a shorter side,
    row by row.

    Neighbours share a quarter of their side at least, over which one fades into the other: a mean weighted so has no
    edges. They are spread evenly.

    Raises:
        ConfigError: for a side that leaves nothing to share
    """
    if side < SHARED:
        raise ConfigError(f"tile: a side of {side} latents is too short; expected {SHARED} or more.")
    down, across = (_spans(length, side) for length in size)
    return [Tile(rows, columns, high[:, None] * wide[None, :]) for rows, high in down for columns, wide in across]


def _spans(length: int, side: int) -> list[tuple[slice, Tensor]]:
    """The stretches along one side of a picture, and how much each place in them counts."""
    if length <= side:
        return [(slice(0, length), torch.ones(length))]
    count = 1 + -(-(length - side) // (side - side // SHARED))
    firsts = [round(index * (length - side) / (count - 1)) for index in range(count)]
    spans = []
    for index, first in enumerate(firsts):
        weight = torch.ones(side)
        if index > 0:
            weight *= _fading(firsts[index - 1] + side - first, side)
        if index < count - 1:
            weight *= _fading(first + side - firsts[index + 1], side).flip(0)
        spans.append((slice(first, first + side), weight))
    return spans


def _fading(shared: int, side: int) -> Tensor:
    """Weights (side,) that rise over the first places, which are shared with another tile, and are 1 from there on."""
    return ((torch.arange(side) + 1) / (shared + 1)).clamp(max=1)


ControlOf = Callable[[Tile], Control]
"""From a tile to the control that steers it."""


@torch.no_grad()
def denoise_tiles(
    backbone: Backbone,
    x: Tensor,
    schedule: Schedule,
    guider: Guider,
    tiles: Sequence[Tile],
    *,
    control: ControlOf | None = None,
    unfinished: Unfinished | None = None,
    progress: Progress | None = None,
) -> Tensor:
    """Denoise latents (F, 4, h, w) larger than those that a model was trained on, tile by tile in each step.

    What the network says of all tiles is put together, as a weighted mean for each branch of guidance, before a step is
    taken of the whole: the steps then agree with all tiles as nearly as can be, and no tile is handed on to another. A
    long clip is seen in the windows in force within each tile, and the step is taken a few frames at a time.

    Source: MultiDiffusion, Bar-Tal et al. 2023, eq. 5, whose mean of the steps is, by linearity, one of predictions.

    Args:
        backbone: the model
        x: where the schedule begins
        schedule: the steps that are taken
        guider: of all frames
        tiles: that cover the latents, each of them at least once
        control: steers each tile; None for none
        unfinished: where the state is saved after tiles; where one lies there, it is gone on from
        progress: what is told of each step; None for nothing
    """
    prompts, predict = guider.prompts.to(backbone.device), Predictor(backbone)
    x = x.to(backbone.device, torch.float32)
    told, after = room_for((len(prompts), *x.shape), device=x.device), room_for(x.shape, device=x.device)
    x, begin, seen = _resumed(x, told, unfinished)
    weights = torch.zeros(x.shape[2:])
    for tile in tiles:
        weights[tile.rows, tile.columns] += tile.weight
    weights = weights.to(x.device)
    for index, t in list(enumerate(schedule.timesteps.tolist()))[begin:]:
        for number, tile in list(enumerate(tiles))[seen:]:
            steering = () if control is None else (control(tile),)
            said = predict(
                Request(x[..., tile.rows, tile.columns], t, prompts, steering), step=schedule.skipped + index
            )
            if number == 0:
                told.zero_()
            told[..., tile.rows, tile.columns] += tile.weight.to(x.device) * said
            let_go(x, told, said)
            if unfinished is not None and unfinished.due:
                state = {"steps": torch.tensor(index), "tiles": torch.tensor(number + 1)}
                unfinished.save({"latents": x, "told": told, **state})
        seen = 0
        for cut in in_chunks(len(x), x, told, after):
            clean = partial(schedule.clean, x[cut], index=index)
            after[cut] = schedule.step(x[cut], guider.frames(cut).combine(told[:, cut] / weights, clean), index)
        x, after = after, room_for(x.shape, device=x.device) if index == begin else x
        if progress is not None:
            progress("denoising", index + 1, len(schedule))
    return x


def _resumed(x: Tensor, told: Tensor, unfinished: Unfinished | None) -> tuple[Tensor, int, int]:
    """The latents (F, 4, h, w) to go on with, how many steps they have taken, and how many tiles the network has seen
    since, of which all that it has ``told`` (N, F, 4, h, w) is put back."""
    saved = None if unfinished is None else unfinished.read()
    if saved is None:
        return x, 0, 0
    told.copy_(saved["told"])
    let_go(told)
    return saved["latents"].to(x.device), int(saved["steps"]), int(saved["tiles"])
