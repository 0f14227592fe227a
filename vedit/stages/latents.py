"""Frames as latents, and what the VAE alone keeps of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from vedit.clip import Clip
from vedit.clip.sizes import Size
from vedit.graph import Stage, TensorStage, Work
from vedit.priors import Start
from vedit.quality import Fidelity, check_finite, round_trip, warn_if_foreign
from vedit.session import Model, Session, within_memory
from vedit.stages.sanity import warn_if_degenerate
from vedit.stages.words import Words


@dataclass(frozen=True)
class Encode(TensorStage):
    """A clip's latents (F, 4, h, w)."""

    clip: Stage[Clip]
    model: Model

    title: ClassVar[str] = "encoding"
    kept: ClassVar[bool] = True

    def make(self, session: Session, clip: Clip) -> Tensor:
        with within_memory():
            return session.plain(self.model).encode(clip.frames)

    @property
    def frames_of_its_own(self) -> int | None:
        return self.clip.frames_of_its_own

    def room(self, frames: int, size: Size, cell: int) -> int:
        return (self.frames_of_its_own or frames) * 4 * (size[0] // cell) * (size[1] // cell) * 4

    def work(self) -> tuple[Work, ...]:
        return (Work("vae encoder", "VAE, in", 1, frames=self.frames_of_its_own),)


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

    def work(self) -> tuple[Work, ...]:
        return (Work("vae decoder", "VAE, out", 1),)

    def room(self, frames: int, size: Size, cell: int) -> int:
        return frames * size[0] * size[1] * 4

    def scratch(self, frames: int, size: Size, cell: int) -> int:
        return frames * 3 * size[0] * size[1] * 4

    def pack(self, result: Fidelity) -> Mapping[str, Tensor]:
        return pack_fidelity(result)

    def unpack(self, tensors: Mapping[str, Tensor]) -> Fidelity:
        return unpack_fidelity(tensors)


@dataclass(frozen=True)
class DoubtPicture(Stage[None]):
    """A warning where a picture is not like what the model was trained on, given before what takes long, and each
    time; ``what`` it is called."""

    picture: Stage[Tensor]
    model: Model
    what: str

    def make(self, session: Session, picture: Tensor) -> None:
        if self.model.outline.notes.vae_floor_db is not None:
            backbone, frames = session.plain(self.model), picture[None]
            warn_if_foreign(self.model.outline, round_trip(backbone, backbone.encode(frames), frames), self.what)


@dataclass(frozen=True)
class Decode(Stage[Tensor]):
    """The frames (F, 3, H, W) in [0, 1] of what a job made, on the CPU. Raises DeviceError where they are no numbers.

    Attributes:
        what: they are, for such an error: "edit"
        words: their prompt, for a warning where they are no picture
        start: the noise that they were made of, for the same; None where they began with a clip
    """

    latents: Stage[Tensor]
    start: Stage[Start] | None
    model: Model
    what: str
    words: Words

    title: ClassVar[str] = "decoding"

    def make(self, session: Session, latents: Tensor, start: Start | None) -> Tensor:
        backbone = session.plain(self.model)
        with within_memory():
            frames = backbone.decode(latents)
            check_finite(frames, f"decoded {self.what}", backbone)
            denoised = None if start is None else (start.noise, latents)
            warn_if_degenerate(backbone.name, frames, self.words.embedded(backbone), denoised=denoised)
        return frames

    def scratch(self, frames: int, size: Size, cell: int) -> int:
        return frames * 3 * size[0] * size[1] * 4

    def work(self) -> tuple[Work, ...]:
        return (Work("vae decoder", "VAE, out", 1),)


def pack_fidelity(found: Fidelity) -> dict[str, Tensor]:
    packed = {"db": torch.tensor([found.db, found.worst], dtype=torch.float64)}
    return packed if found.errors is None else packed | {"errors": found.errors}


def unpack_fidelity(tensors: Mapping[str, Tensor]) -> Fidelity:
    db, worst = tensors["db"].tolist()
    return Fidelity(db, worst, tensors.get("errors"))
