"""Edited frames spread over their clip: what that makes, how long sampling is held to it, and where they are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from vedit.clip import Clip
from vedit.clip.sizes import Size
from vedit.flow import Flow
from vedit.graph import Stage
from vedit.mapped import drawn_in_chunks
from vedit.masks import latent_mask, untouched_pixels
from vedit.masks.dual_clock import latents_mostly
from vedit.motion.first_frame import keep_pictures
from vedit.motion.spread import Spread, spread
from vedit.session import Session
from vedit.stages.flow import EstimateFlow
from vedit.stages.latents import Decode


@dataclass(frozen=True)
class SpreadPictures(Stage[Spread]):
    """Pictures of the frames ``at`` these indices, spread over their clip."""

    clip: Stage[Clip]
    flow: EstimateFlow
    pictures: tuple[Stage[Tensor], ...]
    at: tuple[int, ...]

    title: ClassVar[str] = "spreading"
    version: ClassVar[int] = 3
    kept: ClassVar[bool] = True

    def make(self, session: Session, clip: Clip, flow: Flow, pictures: tuple[Tensor, ...]) -> Spread:
        return spread(clip.frames, flow, pictures, self.at)

    def room(self, frames: int, size: Size, cell: int) -> int:
        return frames * size[0] * size[1] * (3 * 4 + 2 * 4 + 3)

    def pack(self, result: Spread) -> Mapping[str, Tensor]:
        return {name: each.contiguous() for name, each in vars(result).items()}

    def unpack(self, tensors: Mapping[str, Tensor]) -> Spread:
        return Spread(**tensors)


@dataclass(frozen=True)
class SpreadClip(Stage[Clip]):
    """The clip as its edited frames, spread over it, have it; what a ``mask`` closes is the clip's own."""

    clip: Stage[Clip]
    spread: SpreadPictures
    mask: Stage[Tensor] | None

    def make(self, session: Session, clip: Clip, spread: Spread, mask: Tensor | None) -> Clip:
        if mask is None:
            return replace(clip, frames=spread.frames)
        closed = untouched_pixels(mask, clip.size)
        return replace(clip, frames=drawn_in_chunks(torch.lerp, spread.frames, clip.frames, closed))


@dataclass(frozen=True)
class SpreadMask(Stage[Tensor]):
    """Where edited frames, spread over a clip, change it: (F, 1, h, w)."""

    spread: SpreadPictures
    cell: int
    steps_taken: int

    title: ClassVar[str] = "mask"

    def make(self, session: Session, spread: Spread) -> Tensor:
        return latent_mask(spread.changed[:, None], self.cell, self.steps_taken)


@dataclass(frozen=True)
class HoldSpread(Stage[Tensor]):
    """Up to which share of the steps each latent is held to what edited frames led there: (F, 1, h, w).

    What no picture shows is free from the start; what a mask closes, and the edited frames, are held throughout.

    Attributes:
        share: of the rest
    """

    spread: SpreadPictures
    mask: Stage[Tensor] | None
    share: float
    cell: int

    def make(self, session: Session, spread: Spread, mask: Tensor | None) -> Tensor:
        until = torch.where(latents_mostly(spread.known, self.cell), self.share, 0.0)
        if mask is not None:
            until = torch.where(mask > 0, until, 1.0)
        until[list(self.spread.at)] = 1.0
        return until


@dataclass(frozen=True)
class KeepPictures(Stage[Tensor]):
    """The frames (F, 3, H, W) that were made, with the edited ones themselves in their places."""

    frames: Decode
    spread: SpreadPictures
    pictures: tuple[Stage[Tensor], ...]

    def make(self, session: Session, frames: Tensor, spread: Spread, pictures: tuple[Tensor, ...]) -> Tensor:
        return keep_pictures(frames, pictures, self.spread.at, spread)
