"""Frames in between those of a clip, along what moves from the one to the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from vedit.clip.lazy import LazyClip
from vedit.flow import Flow, centres, estimate_flow
from vedit.motion.warp import warped
from vedit.shots import ONE_SHOT, Shots

ALIKE = 20.0
"""How much less a pixel counts the less it looks like what it becomes: exp(-20) where black becomes white."""

LEAST_COUNTED = 1e-3
"""What each pixel counts at least, so that none is lost."""

LOST = 0.5
"""Share of a frame's pixels that are not seen in the other from which on there is no motion between the two."""


Middle = Callable[[Tensor, Tensor], Tensor]
"""From two frames (3, H, W) in [0, 1] to the one in the middle of them, as ``motion.rife.Rife`` makes it."""


def smoothed(clip: LazyClip, times: int, shots: Shots = ONE_SHOT, middle: Middle | None = None) -> LazyClip:
    """A clip of so many ``times`` its frames at so many times its rate, as long as before, with its sound.

    Its own frames stay as they are. Between two shots, and between two frames that have little in common, the frame
    before stays until the next, as the last one does. Frames are made as they are asked for: along what moves, or by
    ``middle``, again and again, which makes a power of two.
    """

    def make(indices: Sequence[int]) -> Iterator[Tensor]:
        pairs = [_pair(index, times, len(clip), shots) for index in indices]
        needed = sorted({frame for pair in pairs for frame in pair})
        # The frames before their numbers: once these are at an end, so is the clip.
        coming, held, motion = zip(clip.make(needed), needed, strict=False), dict[int, Tensor](), Motion.none()
        halves = dict[int, Tensor]()
        for index, (before, after) in zip(indices, pairs, strict=True):
            while after not in held:
                frame, number = next(coming)
                held[number] = frame
            held = {number: frame for number, frame in held.items() if number >= before}
            if before == after:
                yield held[before]
                continue
            if motion.begins != before:
                motion = Motion.of(held[before], held[after], before)
                halves.clear()
            part = index % times
            if motion.lost:
                yield held[before]
            else:
                yield motion.at(part / times) if middle is None else _halved(motion, part, times, middle, halves)
        next(coming, None)  # what was amiss with the clip is told after the last

    return replace(clip, make=make, count=len(clip) * times, rate=clip.rate * times)


def _halved(motion: Motion, part: int, times: int, middle: Middle, made: dict[int, Tensor]) -> Tensor:
    """The frame after so many parts, ``part`` of ``times``, of the way from one frame to the next. It is in the middle
    of two such frames; those that are ``made`` once are not made again."""
    if part in (0, times):
        return motion.last if part else motion.first
    if part not in made:
        step = part & -part  # the largest power of two that divides it
        ends = (_halved(motion, each, times, middle, made) for each in (part - step, part + step))
        made[part] = middle(*ends)
    return made[part]


def _pair(index: int, times: int, frames: int, shots: Shots) -> tuple[int, int]:
    """The frames between which a new one lies; twice the same where it is one of them, or stays one."""
    before, part = divmod(index, times)
    after = before + 1
    return (before, after) if part and after < frames and after not in shots.starts else (before, before)


@dataclass(frozen=True, eq=False)
class Motion:
    """What moves from one frame to the next.

    Source: forward splatting with weights by how alike both ends are, softmax splatting, Niklaus & Liu 2020, eq. 10;
    of the motion and not of the colours, which are then looked up in both frames, Bao et al. 2019 (DAIN), section 3.2.

    Attributes:
        first, last: the two frames (3, H, W) in [0, 1]
        flow: of the two
        begins: the index of the first in its clip
        counts: (2, H, W) how much each pixel of the two counts, above 0 to 1
    """

    first: Tensor
    last: Tensor
    flow: Flow
    begins: int
    counts: Tensor

    @classmethod
    def none(cls) -> Motion:
        """That of no clip."""
        nothing = torch.zeros(3, 1, 1)
        return cls(nothing, nothing, estimate_flow(nothing[None]), -1, nothing[:2])

    @classmethod
    def of(cls, first: Tensor, last: Tensor, begins: int = 0) -> Motion:
        flow = estimate_flow(torch.stack([first, last]))
        there, back = warped(last, flow.forward)[0], warped(first, flow.backward)[0]
        missed = torch.stack([(there - first).abs().mean(0), (back - last).abs().mean(0)])
        return cls(first, last, flow, begins, torch.exp(-ALIKE * missed).clamp(min=LEAST_COUNTED))

    @property
    def lost(self) -> bool:
        """Whether too little of the two is the same for there to be a motion."""
        unseen = torch.stack([self.flow.hidden[0], self.flow.appeared[0]])
        return bool(unseen.float().mean() > LOST)

    def at(self, time: float) -> Tensor:
        """The frame (3, H, W) at a ``time`` of 0, the first, to 1, the last.

        What both frames show is a blend of the two. What the second hides is taken of the first, and what it shows
        anew of the second; both lie behind what moves in front of them.
        """
        forward, back = self.flow.forward[0], -self.flow.backward[0]
        seen, seen_back = ~self.flow.hidden[0], ~self.flow.appeared[0]
        shared = self._splatted(time, forward, seen) + self._splatted(time - 1, back, seen_back)
        hidden = self._splatted(time, forward, ~seen)
        appeared = self._splatted(time - 1, back, ~seen_back)
        whole = _mean_motion(shared + LEAST_COUNTED * (hidden + appeared))
        covered = shared[3].clamp(max=1)
        both = torch.lerp(self._first(time, whole), self._last(time, whole), time)
        alone = hidden[3] + appeared[3]
        of_first = (hidden[3] / alone.clamp(min=1e-6)).clamp(0, 1)
        one = torch.lerp(
            self._last(time, _mean_motion(appeared, whole)), self._first(time, _mean_motion(hidden, whole)), of_first
        )
        share = torch.where(alone > 0, 1 - covered, 0) * alone.clamp(max=1)
        return torch.lerp(both, one, share).clamp(0, 1)

    def _first(self, time: float, motion: Tensor) -> Tensor:
        """What the first frame shows of those that move so (2, H, W) from it to the last."""
        return warped(self.first, -time * motion[None])[0]

    def _last(self, time: float, motion: Tensor) -> Tensor:
        return warped(self.last, (1 - time) * motion[None])[0]

    def _splatted(self, time: float, motion: Tensor, which: Tensor) -> Tensor:
        """The motions (2, H, W) of some pixels (H, W) bool where they are at a ``time``, counted from their own frame:
        (4, H, W), their weighted sum, the sum of weights, and how many there are.

        Each pixel is shared among the four that it lands between.
        """
        height, width = motion.shape[1:]
        counts = self.counts[0 if time >= 0 else 1]
        places = centres((height, width), (height, width)) + time * motion.permute(1, 2, 0)
        values = torch.cat([motion * counts, counts[None], torch.ones_like(counts)[None]])[:, which]  # (4, P)
        x, y = places[which].unbind(-1)
        left, top = x.floor(), y.floor()
        found = torch.zeros(4, height * width)
        for across in (0, 1):
            for down in (0, 1):
                column, row = left + across, top + down
                near = (1 - (x - column).abs()) * (1 - (y - row).abs())
                inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
                cell = (row * width + column).long()[inside]
                found.index_add_(1, cell, (values * near)[:, inside])
        return found.view(4, height, width)


def _mean_motion(splatted: Tensor, elsewhere: Tensor | None = None) -> Tensor:
    """The mean motion (2, H, W) of what has been splatted (4, H, W). Where nothing has, it is that ``elsewhere`` (2, H,
    W); by default that of what lies around, from as near as there is any.

    Source: the pull and push of Gortler et al. 1996 (The Lumigraph), section 3.4.
    """
    weight = splatted[2]
    found = splatted[:2] / weight.clamp(min=1e-12)
    if elsewhere is None:
        if bool((weight > 0).all()) or max(weight.shape) == 1:
            elsewhere = torch.zeros_like(found)
        else:
            coarser = _mean_motion(F.avg_pool2d(splatted[None], 2, ceil_mode=True)[0])
            size = (int(weight.shape[0]), int(weight.shape[1]))
            elsewhere = F.interpolate(coarser[None], size=size, mode="bilinear", align_corners=False)[0]
    return torch.where(weight > 0, found, elsewhere)
