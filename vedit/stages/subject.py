"""A subject learnt from pictures: the pictures, those of its class, and what is learnt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from vedit.adapters.lora_training import Subject
from vedit.clip.images import read_picture
from vedit.clip.sizes import resize
from vedit.graph import Stage, TensorStage, Work
from vedit.graph.files import File
from vedit.session import Model, Session, within_memory
from vedit.stages.packing import from_json_tensor, json_tensor, prefixed, without_prefix
from vedit.tuning.subject import STEPS, Naming, class_latents, learn_subject


@dataclass(frozen=True)
class EncodeSquares(TensorStage):
    """The latents (P, 4, h, w) of the middle squares of pictures, ``side`` pixels wide."""

    pictures: tuple[File, ...]
    side: int
    model: Model

    title: ClassVar[str] = "encoding"

    def make(self, session: Session) -> Tensor:
        size, backbone = (self.side, self.side), session.plain(self.model)
        with within_memory():
            squares = (resize(middle_square(read_picture(each.path))[None], size) for each in self.pictures)
            return torch.cat([backbone.encode(each).cpu() for each in squares])

    def work(self) -> tuple[Work, ...]:
        return (Work("vae encoder", "VAE, in", 1),)


def middle_square(picture: Tensor) -> Tensor:
    """The middle of a picture (3, H, W), as wide as its shorter side."""
    height, width = picture.shape[1:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return picture[:, top : top + side, left : left + side]


@dataclass(frozen=True)
class ClassLatents(TensorStage):
    """The latents (Q, 4, h, w) of pictures that the model makes of a class."""

    model: Model
    naming: Naming
    count: int
    side: int
    seed: int

    title: ClassVar[str] = "pictures of the class"

    @property
    def kept(self) -> bool:  # type: ignore[override]
        """Not of a model that was given: whoever holds it may have changed it."""
        return self.model.spec is not None

    def make(self, session: Session) -> Tensor:
        cell = self.model.outline.vae_scale_factor
        shape = 4, self.side // cell, self.side // cell
        with session.working(self.model, "per_frame") as backbone:
            return class_latents(backbone, self.naming, self.count, shape, self.seed, session.progress)

    def work(self) -> tuple[Work, ...]:
        return (Work("unet", "pictures of the class", STEPS * self.count, 2),)


@dataclass(frozen=True)
class LearnSubject(Stage[Subject]):
    """What a model learns of a subject. The arguments are those of ``learn_subject``."""

    pictures: EncodeSquares
    told: tuple[str, ...]
    of_class: ClassLatents | None
    model: Model
    naming: Naming
    prior_weight: float
    steps: int
    learning_rate: float
    rank: int
    seed: int

    title: ClassVar[str] = "learning"
    kept: ClassVar[bool] = True

    def make(self, session: Session, pictures: Tensor, of_class: Tensor | None) -> Subject:
        with within_memory():
            return learn_subject(
                session.plain(self.model),
                pictures,
                self.naming,
                told=self.told,
                of_class=of_class,
                prior_weight=self.prior_weight,
                steps=self.steps,
                learning_rate=self.learning_rate,
                rank=self.rank,
                seed=self.seed,
                progress=session.progress,
            )

    def work(self) -> tuple[Work, ...]:
        return (Work("learning", "steps of learning", self.steps, 2 if self.of_class else 1, "learning"),)

    def pack(self, result: Subject) -> Mapping[str, Tensor]:
        told = {"token": result.token, "config": dict(result.config), "base": result.base}
        return {"told": json_tensor(told), "row": result.row, **prefixed("tensor.", result.tensors)}

    def unpack(self, tensors: Mapping[str, Tensor]) -> Subject:
        told = from_json_tensor(tensors["told"])
        own = without_prefix("tensor.", tensors)
        return Subject(own, told["token"], tensors["row"], told["config"], told["base"])
