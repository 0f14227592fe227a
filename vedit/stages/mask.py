"""Where an edit may happen: (F, 1, h, w) on latents, in [0, 1]."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from vedit.adapters.tuned import Adapter
from vedit.clip import Clip
from vedit.clip.sizes import Size
from vedit.config import ClipSettings
from vedit.flow import Flow
from vedit.graph import Stage, TensorStage, Work
from vedit.graph.files import File
from vedit.masks import PromptDifference, box_mask, fit_mask, latent_mask, read_mask, word, word_mask
from vedit.session import Model, Session
from vedit.stages.difference import ComparePrompts
from vedit.stages.flow import EstimateFlow
from vedit.stages.latents import Encode
from vedit.stages.tune import Tune
from vedit.stages.words import Words


@dataclass(frozen=True)
class AutoMask(Stage[Tensor]):
    """Where the edit's prompt and the source's disagree about the clip."""

    differences: ComparePrompts

    version: ClassVar[int] = 3
    title: ClassVar[str] = "mask"

    def make(self, session: Session, differences: list[PromptDifference]) -> Tensor:
        return differences[0].mask()

    def scratch(self, frames: int, size: Size, cell: int) -> int:
        """The mask, and what it is made from: the difference smoothed and on its scale, and what lies above."""
        return frames * (size[0] // cell) * (size[1] // cell) * (3 * 4 + 2)


@dataclass(frozen=True)
class WordMask(TensorStage):
    """Where the clip shows a word of its prompt.

    Attributes:
        tokens: the word's places in the prompt
        frames: how many the clip has
    """

    latents: Encode
    tuned: Tune | None
    flow: EstimateFlow | None
    model: Model
    attention: str
    prompt: Words
    tokens: tuple[int, ...]
    seed: int
    frames: int = field(compare=False)

    version: ClassVar[int] = 2
    title: ClassVar[str] = "mask"
    kept: ClassVar[bool] = True

    def make(self, session: Session, latents: Tensor, tuned: Adapter | None, flow: Flow | None) -> Tensor:
        with session.working(self.model, self.attention, adapter=tuned, flow=flow) as backbone:
            text = self.prompt.embedded(backbone)
            where = latents.to(backbone.device)
            return word_mask(backbone, where, text, list(self.tokens), seed=self.seed, progress=session.progress).cpu()

    def room(self, frames: int, size: Size, cell: int) -> int:
        return self.frames * (size[0] // cell) * (size[1] // cell) * 4

    def scratch(self, frames: int, size: Size, cell: int) -> int:
        """What the network says of the word."""
        return self.room(frames, size, cell)

    def work(self) -> tuple[Work, ...]:
        times, progress = len(word.NOISE_LEVELS), "finding the word"
        return (Work("unet", "looks for the mask's word", times, progress=progress, frames=self.frames),)


@dataclass(frozen=True)
class BoxMask(Stage[Tensor]):
    """A box of the clip's own pictures, which have the size ``own`` (H, W); ``cell`` pixels make one of the latents."""

    clip: Stage[Clip]
    box: str
    own: Size
    cell: int
    steps_taken: int

    title: ClassVar[str] = "mask"

    def make(self, session: Session, clip: Clip) -> Tensor:
        pixels = box_mask(self.box, self.own, clip.size)
        return latent_mask(pixels, self.cell, self.steps_taken).expand(len(clip), -1, -1, -1)


@dataclass(frozen=True)
class FileMask(Stage[Tensor]):
    """What is white in a picture, a video or a folder of pictures.

    Attributes:
        cut: which frames of the clip are edited, and so of a video
        whole: how many frames the clip's file has
    """

    clip: Stage[Clip]
    file: File
    cut: ClipSettings = field(compare=False)
    frames: tuple[int | None, int, int]
    whole: int
    cell: int
    steps_taken: int

    title: ClassVar[str] = "mask"

    @classmethod
    def of(cls, clip: Stage[Clip], mask: Path, cut: ClipSettings, whole: int, cell: int, steps_taken: int) -> FileMask:
        frames = cut.frames, cut.start, cut.stride
        return cls(clip, File.of(mask), cut, frames, whole, cell, steps_taken)

    def scratch(self, frames: int, size: Size, cell: int) -> int:
        return frames * size[0] * size[1] * (3 + 1) * 4

    def make(self, session: Session, clip: Clip) -> Tensor:
        pixels = read_mask(self.file.path, self.cut, self.whole, len(clip), clip.size)
        return latent_mask(pixels, self.cell, self.steps_taken).expand(len(clip), -1, -1, -1)


@dataclass(frozen=True)
class GivenMask(Stage[Tensor]):
    """A mask in memory: (F or 1, 1, H, W) in [0, 1], of any size."""

    clip: Stage[Clip]
    mask: Tensor
    cell: int
    steps_taken: int

    title: ClassVar[str] = "mask"

    def make(self, session: Session, clip: Clip) -> Tensor:
        pixels = fit_mask(self.mask, len(clip), clip.size)
        return latent_mask(pixels, self.cell, self.steps_taken).expand(len(clip), -1, -1, -1)
