"""The ground of a clip behind its things: where it goes, and what other frames show of it."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import torch
import torch.nn.functional as F
from torch import Tensor

from vedit.clip.sizes import Size
from vedit.flow import Flow, centres, sample, within
from vedit.motion.inverse import mapped
from vedit.motion.ways import STAYS, fitted

MOST_POINTS = 2**14
"""Points of a frame that its ground's way is fitted to."""

FURTHEST = 48
"""Frames to either side that are looked at: errors of the flow add up."""

STRANGE = 1.0, 0.05
"""Pixels, and share of the way, by which a pixel may part from the ground's way and still show the ground."""

NOISE = 0.2
"""Pixels from one frame to the next up to which the flow's departure from the ground's way is its own error."""

CUT = 0.7
"""Share of a frame that the next one hides from which on the two are of different shots."""

AROUND = 3, 0.03
"""Pixels, and share of the longer side, around a thing in which its flow is smeared."""


@dataclass(frozen=True, eq=False)
class GroundStep:
    """Where the ground goes from one frame to a neighbour, also behind things and beyond the picture.

    Attributes:
        affine: (2, 3) from places in the frame, x and y in pixels, to those in the other
        rest: (2, H, W) how much further each pixel goes
        strange: (H, W) bool, which pixels go another way: they show something before the ground
    """

    affine: Tensor
    rest: Tensor
    strange: Tensor

    def of(self, places: Tensor) -> Tensor:
        """Where places (P, 2) come to."""
        return mapped(self.affine, places) + sample(self.rest[None], places[None])[0].T


class Ground:
    """The ground of a clip, with some things taken away.

    Behind a thing, the ground goes on as it does around it: one affine way for the frame, and what is left of the flow
    continued smoothly. So a hidden place is followed from frame to frame until it is seen.

    Source: the flow-guided propagation of Xu et al. 2019, section 3.2, with Gao et al. 2020's flow completed from its
    rim; here by ``continued``.

    Args:
        frames: (F, 3, H, W) in [0, 1]
        flow: of them
        covered: (F, H, W) bool, where the things are
    """

    def __init__(self, frames: Tensor, flow: Flow, covered: Tensor) -> None:
        self.frames, self.flow, self.covered = frames, flow, covered
        self._steps: dict[tuple[int, int], GroundStep | None] = {}

    def behind(self, frame: int, places: Tensor) -> tuple[Tensor, Tensor]:
        """What places (P, 2) of a frame, x and y in pixels, show of the ground: colours (P, 3), and whether another
        frame shows it (P,). The nearest frame counts; of two, the earlier."""
        colours, seen = torch.zeros(len(places), 3), torch.zeros(len(places), dtype=torch.bool)
        followed: dict[int, Tensor | None] = {-1: places, 1: places}
        for away in range(1, FURTHEST + 1):
            for direction, here in followed.items():
                now = frame + direction * away
                if here is None or not 0 <= now < len(self.frames) or bool(seen.all()):
                    continue
                step = self._step(now - direction, now)
                followed[direction] = there = None if step is None else step.of(here)
                if there is None:
                    continue
                found = ~seen & within(there, self.flow.size) & ~at(self._hidden(now), there)
                colours[found] = self._colours(now, there[found])
                seen |= found
        return colours, seen

    def _hidden(self, frame: int) -> Tensor:
        """Where (H, W) bool a frame does not show the ground: things that are taken away, and others before it."""
        step = self._step(frame, frame + 1) or self._step(frame, frame - 1)
        return self.covered[frame] if step is None else self.covered[frame] | step.strange

    def _colours(self, frame: int, places: Tensor) -> Tensor:
        """(P, 3), bicubic."""
        height, width = self.flow.size
        size = torch.tensor([2 / width, 2 / height])
        grid = ((places + 0.5) * size - 1)[None, None]
        shown = self.frames[frame, None]
        found = F.grid_sample(shown, grid, mode="bicubic", padding_mode="border", align_corners=False)
        return found[0, :, 0].T.clamp(0, 1)

    def _step(self, before: int, now: int) -> GroundStep | None:
        """None across a cut, and out of the clip."""
        if not 0 <= now < len(self.frames):
            return None
        if (before, now) not in self._steps:
            flow, pair = self.flow, min(before, now)
            ahead = flow.forward[pair], flow.hidden[pair]
            found = ahead if now > before else (flow.backward[pair], flow.appeared[pair])
            self._steps[before, now] = ground_step(*found, self.covered[before])
        return self._steps[before, now]


def ground_step(flow: Tensor, hidden: Tensor, covered: Tensor) -> GroundStep | None:
    """The way of the ground by a flow (2, H, W), where nothing is ``hidden`` (H, W) and no thing ``covered`` it; None
    where nearly all is hidden, as it is across a cut."""
    if float(hidden.float().mean()) > CUT:
        return None
    size: Size = (int(flow.shape[1]), int(flow.shape[2]))
    margin = max(AROUND[0], round(AROUND[1] * max(size)))
    near = grown(covered, margin)
    pixels = centres(size, size)
    step = max(1, ceil((size[0] * size[1] / MOST_POINTS) ** 0.5))
    start = pixels[::step, ::step].reshape(-1, 2)
    end = start + flow[:, ::step, ::step].permute(1, 2, 0).reshape(-1, 2)
    usable = ~hidden & ~near
    affine = fitted(start, end, usable[::step, ::step].flatten())
    affine = STAYS if affine is None else affine
    way = (mapped(affine, pixels) - pixels).permute(2, 0, 1)
    rest = flow - way
    gap = rest.norm(dim=0)
    apart = gap > STRANGE[0] + STRANGE[1] * way.norm(dim=0) + 2 * _typical(gap, usable)
    known = usable & ~apart
    rest = torch.where((gap > NOISE) & known, rest, 0.0)
    return GroundStep(affine, continued(rest, known), apart & ~near)


def _typical(gap: Tensor, usable: Tensor) -> float:
    """How far the ground parts from its one way for the most part, as it does where it has depth."""
    return float(gap[usable].median()) if bool(usable.any()) else 0.0


def continued(values: Tensor, known: Tensor) -> Tensor:
    """Values (C, H, W), where they are not ``known`` (H, W) those around carried on smoothly; 0 where none are.

    Source: pull-push, Gortler et al. 1996, section 3.4.
    """
    if bool(known.all()):
        return values
    if not bool(known.any()):
        return torch.zeros_like(values)
    share = F.avg_pool2d(known[None].float(), 2, ceil_mode=True, count_include_pad=False)
    means = F.avg_pool2d(values * known, 2, ceil_mode=True, count_include_pad=False) / share.clamp(min=1e-6)
    coarse = continued(means, share[0] > 0)
    size = values.shape[1], values.shape[2]
    around = F.interpolate(coarse[None], size=size, mode="bilinear", align_corners=False)[0]
    return torch.where(known, values, around)


def grown(mask: Tensor, pixels: int) -> Tensor:
    """A mask (..., H, W) bool, and what lies within so many pixels of it."""
    found = F.max_pool2d(mask[None].float() if mask.ndim == 2 else mask.float(), 2 * pixels + 1, 1, pixels) > 0.5
    return found[0] if mask.ndim == 2 else found


def at(mask: Tensor, places: Tensor) -> Tensor:
    """A mask (H, W) bool at the pixels nearest to places (P, 2), also from outside."""
    column, row = (places + 0.5).floor().long().unbind(-1)
    return mask[row.clamp(0, mask.shape[0] - 1), column.clamp(0, mask.shape[1] - 1)]
