"""Key frames: those frames of a clip that are edited together, while all others are filled in between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil, sqrt

import torch
from torch import Tensor

from vedit.flow import Flow, centres, follow
from vedit.shots import ONE_SHOT, Shots

OCCLUDED = 0.3
"""Share of the picture that may be hidden in the next key frame, or new in it."""

LONGEST = 16
"""Frames from one key frame to the next at most: flow that is chained further has gone astray too far."""

USUAL = 8
"""Frames from one key frame to the next, about, where they are chosen by what the clip shows."""

POINTS = 2**12
"""Points of a frame that are followed to see how much of it is hidden."""


@dataclass(frozen=True)
class KeyFrames:
    """Which frames of a clip are its key frames.

    Attributes:
        at: their indices, ascending. The first and the last frame of each shot are among them, so that what lies
            between two of them lies in one shot
        shots: of the clip
    """

    at: tuple[int, ...]
    shots: Shots = ONE_SHOT

    def __len__(self) -> int:
        """How many key frames there are."""
        return len(self.at)

    @property
    def frames(self) -> int:
        """How many frames the clip has."""
        return self.at[-1] + 1

    @property
    def together(self) -> list[list[int]]:
        """Those of each shot."""
        spans = self.shots.spans(self.frames)
        return [[key for key in self.at if span.start <= key < span.stop] for span in spans]

    @property
    def segments(self) -> list[range]:
        """From each key frame to the next, both of them among these, where frames lie between. What is filled in
        between two key frames depends on no other segment."""
        return [range(left, right + 1) for left, right in pairwise(self.at) if right > left + 1]

    def levels(self, *, recursive: bool) -> Iterator[Sequence[Sequence[int]]]:
        """What is filled in level by level: groups of frames, of which the first and the last are there by then, and
        those between are filled in beside both. No group depends on another of its level.

        All frames between two key frames are one group; ``recursive``, the middle one alone is filled in at first, and
        is then a key frame like the others, until none is left: of n frames, in log2 n levels.
        """
        if not recursive:
            if self.segments:
                yield self.segments
            return
        there = self
        while found := [(each[0], each[len(each) // 2], each[-1]) for each in there.segments]:
            yield found
            there = replace(there, at=tuple(sorted((*there.at, *(middle for _, middle, _ in found)))))

    def part(self, number: int, parts: int) -> KeyFrames | None:
        """The key frames, and what lies between them, of one of so many ``parts`` of the clip, with about as many
        segments each; None for one that has none. The indices stay the clip's."""
        count = len(self.segments)
        segments = self.segments[number * count // parts : (number + 1) * count // parts]
        if not segments:
            return None
        first, last = segments[0][0], segments[-1][-1]
        return replace(self, at=tuple(key for key in self.at if first <= key <= last))

    @property
    def others(self) -> list[int]:
        """The indices of the frames that are no key frames."""
        return [index for each in self.segments for index in each[1:-1]]


def evenly(frames: int, count: int, shots: Shots = ONE_SHOT) -> KeyFrames:
    """So many key frames of a clip of so many ``frames``, as far from each other as they can be; more where ``count``
    is less than the first and the last frame of each shot."""
    spans = [range(span.start, span.stop) for span in shots.spans(frames)]
    parts = [min(1, len(span) - 1) for span in spans]
    for _ in range(sum(part + 1 for part in parts), min(count, frames)):
        gaps = [(len(span) - 1) / part if part else 0.0 for span, part in zip(spans, parts, strict=True)]
        parts[gaps.index(max(gaps))] += 1
    found = [span[round(step * (len(span) - 1) / max(part, 1))]
             for span, part in zip(spans, parts, strict=True) for step in range(part + 1)]  # fmt: skip
    return KeyFrames(tuple(found), shots)


def by_content(flow: Flow, shots: Shots = ONE_SHOT) -> KeyFrames:
    """Key frames as far from each other as what one shows is still to be seen in the next: from each on, the next is
    the last up to which at most ``OCCLUDED`` of the picture is hidden or new, and at most ``LONGEST`` frames away."""
    step = max(1, ceil(sqrt(flow.size[0] * flow.size[1] / POINTS)))
    points = centres(flow.size, flow.size)[::step, ::step].reshape(-1, 2)
    found = []
    for span in shots.spans(len(flow)):
        key, last = span.start, span.stop - 1
        found.append(key)
        while key < last:
            key = _next(flow, points, key, last)
            found.append(key)
    return KeyFrames(tuple(found), shots)


def _next(flow: Flow, points: Tensor, key: int, last: int) -> int:
    """The key frame after ``key``, up to the ``last`` frame of its shot."""
    places, seen = points, torch.ones(len(points), dtype=torch.bool)
    for frame in range(key + 1, min(key + LONGEST, last) + 1):
        places, seen = follow(places, seen, flow.forward[frame - 1], flow.hidden[frame - 1])
        back, there = points, torch.ones(len(points), dtype=torch.bool)
        for before in reversed(range(key, frame)):
            back, there = follow(back, there, flow.backward[before], flow.appeared[before])
        if min(float(seen.float().mean()), float(there.float().mean())) < 1 - OCCLUDED:
            return max(key + 1, frame - 1)
    return min(key + LONGEST, last)
