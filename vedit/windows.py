"""Windows: the overlapping stretches of a long clip that a network sees one after the other in each step.

All windows of a step are run before the next step begins, and what they say is put together first. So the latents of
the whole clip are denoised side by side, and nothing is handed on from window to window that could drift.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

from vedit.errors import ConfigError
from vedit.shots import Shots

LEAST = 2
"""Frames of the smallest window: one, and the one before it."""

SHARED = 4
"""Of so many frames of a window, one is shared with the next where nothing else is said."""

WINDOW = 16
"""Frames that motion modules see at once of a clip that is too long for them: what AnimateDiff's were trained on."""

PLASTIC = 1.324717957244746
"""The root of x³ = x + 1, whose powers spread pairs of numbers most evenly (Roberts 2018, the sequence R2)."""

GOLDEN = 0.618033988749895
"""The golden ratio's fractional part, whose multiples spread most evenly over 0 to 1."""

CYCLE = 16
"""Steps over which a mean is taken."""

STRIDED = 0.4
"""Of sampling from noise, the share of the first steps of which every second one sees a long clip with a stride."""


@dataclass(frozen=True)
class Window:
    """One stretch of a clip, by the indices of its frames.

    Attributes:
        first, last: the frames that the network sees, ``last`` left out
        start, stop: those whose output is taken, ``stop`` left out
    """

    first: int
    last: int
    start: int
    stop: int

    @property
    def frames(self) -> range:
        """The indices of the frames that are seen."""
        return range(self.first, self.last)

    @property
    def taken(self) -> slice:
        """The frames whose output is taken, of those that are seen."""
        return slice(self.start - self.first, self.stop - self.first)

    def moved(self, by: int) -> Window:
        """The same so many frames later."""
        return Window(self.first + by, self.last + by, self.start + by, self.stop + by)


@dataclass(frozen=True)
class Windows:
    """How a clip is cut into windows, in each step in other places, so that no seam stays where it is.

    Of a frame that two windows see, the output of one is taken: at each seam and step the overlap is cut in two, left
    of the cut speaks the left window, right of it the right one. Where they disagree, the disagreement is mixed over
    the steps, where a mean of both would blur. The first frame of a window is only seen, so that each frame that is
    taken has the one before it beside it.

    Where windows begin and are cut depends on the step alone: an inversion and the sampling that leads back from it see
    the same windows, and all seeds share the inversion.

    Source: overlapping windows whose start moves from step to step, AnimateDiff-Evolved's "uniform"; one cut for each
    step in the overlap, randomized blending, StreamingT2V, Henschel et al. 2025, section 4.3. The places of both are
    not drawn but spread evenly over the steps (Roberts 2018).

    Attributes:
        size: frames of a window, 2 or more
        overlap: frames that neighbours share at least, 1 to half of a window

    Raises:
        ConfigError: for other numbers
    """

    size: int
    overlap: int

    def __post_init__(self) -> None:
        if self.size < LEAST:
            raise ConfigError(f"window: {self.size} frames are too few; expected {LEAST} or more.")
        if not 1 <= self.overlap <= self.size // 2:
            raise ConfigError(
                f"overlap: windows of {self.size} frames cannot share {self.overlap}; "
                f"expected 1 to {self.size // 2}, half of a window at most."
            )

    @classmethod
    def of(cls, size: int, overlap: int | None = None) -> Windows:
        """Windows of a size, with the usual overlap where none is said. Raises ConfigError."""
        return cls(size, max(1, size // SHARED) if overlap is None else overlap)

    def of_step(self, frames: int, step: int) -> list[Window]:
        """The windows of a clip of so many ``frames`` in a ``step``, counted over the whole schedule; the one that
        begins with frame 0 is the first. What is taken of them is the clip, each frame once."""
        if frames <= self.size:
            return [Window(0, frames, 0, frames)]
        stride, end = self.size - self.overlap, frames - self.size
        second = stride - int(_spread(step / PLASTIC) * stride)  # 1 to the stride
        firsts = [0, *range(second, end, stride), end]
        cuts = [0]
        for seam, (left, right) in enumerate(pairwise(firsts)):
            low, high = max(right + 1, cuts[-1]), left + self.size
            cuts.append(low + int(_spread(step / PLASTIC**2 + seam * GOLDEN) * (high - low + 1)))
        cuts.append(frames)
        spans = zip(firsts, pairwise(cuts), strict=True)
        return [Window(first, first + self.size, start, stop) for first, (start, stop) in spans if start < stop]

    def chunks(self, frames: int) -> Iterator[slice]:
        """A clip in stretches of a window's size side by side, for what looks at each frame by itself."""
        return (slice(first, min(first + self.size, frames)) for first in range(0, frames, self.size))

    def count(self, frames: int) -> float:
        """How many windows a step has, on average."""
        return fmean(len(self.of_step(frames, step)) for step in range(CYCLE))


@dataclass(frozen=True)
class Turn:
    """One way to go once round a clip whose last frame is followed by its first.

    Attributes:
        order: the frames in the order in which they are seen, some of the first ones again at the end
        start: the first of these places whose output is taken; from there on each frame is taken once
    """

    order: tuple[int, ...]
    start: int

    @classmethod
    def of_step(cls, frames: int, shared: int, step: int) -> Turn:
        """That of a ``step``, counted over the whole schedule, for a loop of so many ``frames``. It begins with another
        frame in each step, and sees so many, ``shared``, of its first frames again, so that none has an end."""
        begin = int(_spread(step / PLASTIC) * frames)
        order = tuple((begin + place) % frames for place in range(frames + shared))
        return cls(order, min(shared, 1 + int(_spread(step / PLASTIC**2) * shared)))

    @property
    def taken(self) -> tuple[int, ...]:
        """The frames whose output is taken, in their order."""
        frames = max(self.order) + 1
        return self.order[self.start : self.start + frames]


def strided(frames: int, size: int) -> list[list[int]]:
    """So many ``frames`` in groups of a ``size`` at most, each of which reaches over the whole clip: by their indices,
    the frames of a group are as far apart as there are groups."""
    stride = -(-frames // size)
    return [list(range(first, frames, stride)) for first in range(stride)]


def as_index(indices: Sequence[int]) -> slice | list[int]:
    """The frames with these indices, as they index a tensor; those of a range are looked at rather than copied."""
    return slice(indices.start, indices.stop) if isinstance(indices, range) else list(indices)


def views(windows: Windows | None, shots: Shots, frames: int, step: int) -> list[list[Window]]:
    """What the network sees of a clip of so many ``frames`` in a ``step``: the windows of each of its shots, by the
    indices of the clip's frames. Without ``windows`` each shot is seen whole."""
    found = []
    for span in shots.spans(frames):
        count = span.stop - span.start
        own = [Window(0, count, 0, count)] if windows is None else windows.of_step(count, step)
        found.append([each.moved(span.start) for each in own])
    return found


def _spread(number: float) -> float:
    """The fractional part, 0 to below 1."""
    return number % 1.0
