"""Frames as latents, and what the VAE alone keeps of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from vedit.clip import Clip
from vedit.graph import Stage
from vedit.quality import Fidelity, round_trip
from vedit.session import Model, Session, within_memory


@dataclass(frozen=True)
class Encode(Stage[Tensor]):
    """A clip's latents (F, 4, h, w)."""

    clip: Stage[Clip]
    model: Model

    title: ClassVar[str] = "encoding"
    kept: ClassVar[bool] = True

    def make(self, session: Session, clip: Clip) -> Tensor:
        with within_memory():
            return session.plain(self.model).encode(clip.frames)

    def pack(self, result: Tensor) -> Mapping[str, Tensor]:
        return {"latents": result}

    def unpack(self, tensors: Mapping[str, Tensor]) -> Tensor:
        return tensors["latents"]


@dataclass(frozen=True)
class RoundTrip(Stage[Fidelity]):
    """What the VAE alone keeps of a clip."""

    clip: Stage[Clip]
    latents: Encode
    model: Model

    title: ClassVar[str] = "encoding"
    kept: ClassVar[bool] = True

    def make(self, session: Session, clip: Clip, latents: Tensor) -> Fidelity:
        with within_memory():
            return round_trip(session.plain(self.model), latents, clip.frames)

    def pack(self, result: Fidelity) -> Mapping[str, Tensor]:
        return pack_fidelity(result)

    def unpack(self, tensors: Mapping[str, Tensor]) -> Fidelity:
        return unpack_fidelity(tensors)


def pack_fidelity(found: Fidelity) -> dict[str, Tensor]:
    packed = {"db": torch.tensor([found.db, found.worst], dtype=torch.float64)}
    return packed if found.errors is None else packed | {"errors": found.errors}


def unpack_fidelity(tensors: Mapping[str, Tensor]) -> Fidelity:
    db, worst = tensors["db"].tolist()
    return Fidelity(db, worst, tensors.get("errors"))
