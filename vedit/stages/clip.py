"""A clip: read from its file at the size that the model works at, or given in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, ClassVar

import torch
from torch import Tensor

from vedit.clip import Audio, Clip, read_clip
from vedit.clip.audio import AudioOrigin
from vedit.clip.sizes import Size
from vedit.graph import Stage
from vedit.graph.files import File
from vedit.graph.recipe import digest
from vedit.stages.packing import narrow, wide


@dataclass(frozen=True)
class ReadClip(Stage[Clip]):
    """The frames of a file that are asked for, at a working ``size`` (H, W), with their sound."""

    file: File
    size: Size
    frames: int | None = None
    start: int = 0
    stride: int = 1
    allow_partial: bool = False

    title: ClassVar[str] = "reading"

    @property
    def kept(self) -> bool:  # type: ignore[override]
        """Not of a file that may be damaged, so that what is wrong with it is told each time."""
        return not self.allow_partial

    def make(self, session: Any) -> Clip:
        return read_clip(
            self.file.path,
            size=self.size,
            frames=self.frames,
            start=self.start,
            stride=self.stride,
            allow_partial=self.allow_partial,
        )

    def room(self, frames: int, size: Size, cell: int) -> int:
        return frames * 3 * size[0] * size[1]

    def scratch(self, frames: int, size: Size, cell: int) -> int:
        return frames * 3 * size[0] * size[1] * 4

    def pack(self, result: Clip) -> Mapping[str, Tensor]:
        packed = {"frames": narrow(result.frames), "rate": _fractions(result.rate)}
        if result.audio is not None:
            packed |= {"sound": result.audio.samples, "sound_rate": torch.tensor(result.audio.rate)}
        if result.audio_origin is not None:
            packed["audio_origin"] = _fractions(result.audio_origin.start, result.audio_origin.duration)
        return packed

    def unpack(self, tensors: Mapping[str, Tensor]) -> Clip:
        audio = Audio(tensors["sound"], int(tensors["sound_rate"])) if "sound" in tensors else None
        origin = None
        if "audio_origin" in tensors:
            start, duration = _as_fractions(tensors["audio_origin"])
            origin = AudioOrigin(self.file.path, start, duration)
        (rate,) = _as_fractions(tensors["rate"])
        return Clip(wide(tensors["frames"]), rate, audio, origin)


@dataclass(frozen=True)
class GivenClip(Stage[Clip]):
    """A clip in memory, brought to a working ``size`` (H, W); ``content`` names what it holds."""

    clip: Clip = field(compare=False)
    size: Size
    content: str

    @classmethod
    def of(cls, clip: Clip, size: Size) -> GivenClip:
        sound = None if clip.audio is None else (clip.audio.samples, clip.audio.rate)
        return cls(clip, size, digest((clip.frames, clip.rate, sound)))

    def make(self, session: Any) -> Clip:
        return self.clip.resized(self.size)

    def scratch(self, frames: int, size: Size, cell: int) -> int:
        return 0 if self.clip.size == self.size else frames * 3 * size[0] * size[1] * 4


@dataclass(frozen=True)
class BlankClip(Stage[Clip]):
    """Black frames of a clip that is to be made: as many, of its ``size`` (H, W) and rate."""

    frames: int
    size: Size
    rate: Fraction

    def make(self, session: Any) -> Clip:
        return Clip(torch.zeros(self.frames, 3, *self.size), self.rate)


def _fractions(*values: Fraction) -> Tensor:
    return torch.tensor([[value.numerator, value.denominator] for value in values], dtype=torch.int64)


def _as_fractions(pairs: Tensor) -> list[Fraction]:
    return [Fraction(above, below) for above, below in pairs.tolist()]
