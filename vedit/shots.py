"""Shots: the stretches of a clip between its cuts. What the network sees of a clip never crosses a cut."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Shots:
    """Where the shots of a clip begin.

    Attributes:
        starts: the index of each shot's first frame, ascending, 0 being the first. By default one shot
        clip_starts: of a stretch of a clip, where all of the clip's shots begin, counted from the first frame of the
            stretch too, and so below 0 before it: prompts count these. Empty where ``starts`` are all that is known
    """

    starts: tuple[int, ...] = (0,)
    clip_starts: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.starts[:1] != (0,) or any(one >= other for one, other in pairwise(self.starts)):
            raise ValueError(f"shots begin at frame 0 and then each after the other, not at {self.starts}")

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def counted(self) -> tuple[int, ...]:
        """The first frames of the shots that prompts name, counted from 1."""
        return self.clip_starts or self.starts

    def spans(self, frames: int) -> list[slice]:
        """The frames of each shot, of a clip of so many ``frames``."""
        return [slice(first, last) for first, last in pairwise((*self.starts, frames))]


ONE_SHOT = Shots()
"""A clip without cuts."""
