"""A clip that is never whole in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from torch import Tensor

from vedit.clip.audio import Audio, AudioOrigin
from vedit.clip.model import Clip, described
from vedit.clip.sizes import Size, resize
from vedit.clip.writing import write_clip
from vedit.mapped import CHUNK, let_go, room_for

MakeFrames = Callable[[Sequence[int]], Iterator[Tensor]]
"""Called with indices of frames, ascending; gives each of them, (3, H, W) float32 in [0, 1]."""


@dataclass(frozen=True, eq=False)
class LazyClip:
    """A clip whose frames are made as they are asked for, one after the other: a few are in memory at a time.

    make: makes them; count: how many there are; size: (H, W); rate, audio, audio_origin: as those of a Clip
    """

    make: MakeFrames
    count: int
    size: Size
    rate: Fraction
    audio: Audio | None = None
    audio_origin: AudioOrigin | None = None

    @classmethod
    def of(cls, clip: Clip | LazyClip, size: Size | None = None) -> LazyClip:
        """A clip at another ``size`` (H, W), or its own; each of its frames is resized when it is asked for."""
        size = size or clip.size

        def make(indices: Sequence[int]) -> Iterator[Tensor]:
            held = None if isinstance(clip, LazyClip) else clip.frames
            frames = clip.make(indices) if isinstance(clip, LazyClip) else (clip.frames[index] for index in indices)
            for number, frame in enumerate(frames):
                if number % CHUNK == 0:
                    let_go(held)
                yield resize(frame[None], size)[0]

        return cls(make, len(clip), size, clip.rate, clip.audio, clip.audio_origin)

    def mapped(self, draw: Callable[[Tensor], Tensor]) -> LazyClip:
        """The clip whose frames are what ``draw`` makes of this one's, at the same size."""
        return replace(self, make=lambda indices: map(draw, self.make(indices)))

    def __len__(self) -> int:
        return self.count

    def __repr__(self) -> str:
        return f"Lazy{described(len(self), self.size, self.rate, self.audio)}"

    @property
    def frames(self) -> Forwards:
        """The frames, by number; for one reader, who goes through them in order."""
        return Forwards(self.make, (self.count, 3, *self.size))

    def pick(self, indices: Sequence[int]) -> Clip:
        """Some of the frames, by their numbers, ascending; silent."""
        frames = room_for((len(indices), 3, *self.size))
        for index, frame in enumerate(self.make(indices)):
            frames[index] = frame
            if index % CHUNK == 0:
                let_go(frames)
        return Clip(frames, self.rate)

    def whole(self) -> Clip:
        """All of it in memory."""
        return Clip(self.pick(range(self.count)).frames, self.rate, self.audio, self.audio_origin)

    def save(self, path: str | Path, *, crf: int = 18, codec: str = "libx264", overwrite: bool = False) -> None:
        """Write it as ``Clip.save`` does, to the same bytes, frame by frame."""
        write_clip(
            path, self.frames, self.rate, self.audio, self.audio_origin, crf=crf, codec=codec, overwrite=overwrite
        )


class Forwards:
    """Frames (3, H, W) by number, as a tensor (F, 3, H, W) has them. Taken in ascending order, each is made once,
    those between them too."""

    def __init__(self, make: MakeFrames, shape: tuple[int, int, int, int]) -> None:
        self.shape = shape
        self._make = make
        self._ahead: Iterator[Tensor] = iter(())
        self._at = -1
        self._last: Tensor | None = None

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Tensor:
        if not 0 <= index < len(self):
            raise IndexError(f"there is no frame {index}; there are {len(self)}")
        if self._last is None or index != self._at:
            if self._last is None or index < self._at:
                self._ahead, self._at = self._make(range(index, len(self))), index - 1
            while self._at < index:
                self._last, self._at = next(self._ahead), self._at + 1
            assert self._last is not None
            if index == len(self) - 1:
                next(self._ahead, None)  # what was amiss is told after the last
        return self._last
