"""Pictures that a new clip begins and ends with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from vedit.graph import Stage, TensorStage, Work
from vedit.mapped import room_for
from vedit.session import Model, Session, within_memory

Shape = tuple[int, int, int, int]
"""Of the latents of a clip, (F, 4, h, w)."""


@dataclass(frozen=True)
class EncodeEnds(TensorStage):
    """The latents of a clip of which the pictures (3, H, W) of the frames ``at`` these indices alone are known: (F, 4,
    h, w), zeros elsewhere."""

    pictures: tuple[Stage[Tensor], ...]
    at: tuple[int, ...]
    shape: Shape
    model: Model

    title: ClassVar[str] = "encoding"

    def make(self, session: Session, pictures: tuple[Tensor, ...]) -> Tensor:
        latents = torch.zeros(self.shape)
        with within_memory():
            latents[list(self.at)] = session.plain(self.model).encode(torch.stack(pictures)).cpu()
        return latents

    def work(self) -> tuple[Work, ...]:
        return (Work("vae encoder", "VAE, in", 1),)


@dataclass(frozen=True)
class HoldEnds(Stage[Tensor]):
    """Up to which share of the steps each latent is held (F, 1, h, w): those of the frames ``at`` these indices to the
    end, and no others."""

    at: tuple[int, ...]
    shape: Shape

    def make(self, session: Session) -> Tensor:
        frames, _, height, width = self.shape
        until = torch.zeros(frames, 1, height, width)
        until[list(self.at)] = 1.0
        return until


@dataclass(frozen=True)
class PutEnds(Stage[Tensor]):
    """The frames (F, 3, H, W) that were made, those ``at`` these indices being the pictures themselves, without what
    the VAE loses of them."""

    frames: Stage[Tensor]
    pictures: tuple[Stage[Tensor], ...]
    at: tuple[int, ...]

    def make(self, session: Session, frames: Tensor, pictures: tuple[Tensor, ...]) -> Tensor:
        kept = room_for(frames.shape).copy_(frames)
        for index, picture in zip(self.at, pictures, strict=True):
            kept[index] = picture
        return kept
