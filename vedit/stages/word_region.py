"""What of a picture shows a word, to the pixel, for masks of motion strokes."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor

from vedit.clip import Clip
from vedit.graph import Stage
from vedit.motion.cut_out import cut_out
from vedit.session import Model
from vedit.stages.latents import Encode
from vedit.stages.mask import WordMask
from vedit.stages.words import Words


@dataclass(frozen=True)
class OnePicture(Stage[Clip]):
    """A picture (3, H, W) as a clip of one frame."""

    picture: Stage[Tensor]

    @property
    def frames_of_its_own(self) -> int:
        return 1

    def make(self, session: Any, picture: Tensor) -> Clip:
        return Clip(picture[None], Fraction(1))


@dataclass(frozen=True)
class WordRegion(Stage[Tensor]):
    """What of a picture shows a word of its prompt: (H, W) bool.

    The model says roughly where, in its latents' cells, and the picture's colours and edges say what belongs to it.
    """

    picture: Stage[Tensor]
    mask: WordMask
    word: str

    title: ClassVar[str] = "mask"

    @classmethod
    def of(
        cls, picture: Stage[Tensor], model: Model, prompt: str, tokens: tuple[int, ...], word: str, seed: int
    ) -> WordRegion:
        """``tokens`` are the word's places in the ``prompt``."""
        latents = Encode(OnePicture(picture), model)
        mask = WordMask(latents, None, None, model, "per_frame", Words(prompt), tokens, seed, 1)
        return cls(picture, mask, word)

    def make(self, session: Any, picture: Tensor, mask: Tensor) -> Tensor:
        size = picture.shape[1], picture.shape[2]
        roughly = F.interpolate(mask, size=size, mode="bilinear", align_corners=False)[0, 0]
        return cut_out(picture, roughly)
