"""A clip told from one of its frames: things before a ground, and where each frame has what that one shows."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import torch
import torch.nn.functional as F
from torch import Tensor

from vedit.clip.sizes import Size
from vedit.flow import Flow, centres, follow, sample, within
from vedit.motion.inverse import inverse, mapped
from vedit.motion.things import find_things
from vedit.motion.ways import STAYS, aligned, fitted, outwards

MOST_POINTS = 2**16
"""Points of the key frame that are followed through the clip; of a larger picture every second one, or fewer."""

APART = 1.5, 0.01
"""Pixels, and share of the longer side, by which something has to part from the ground in some frame to move by
itself."""

MATCHES = 0.12
"""Of the range, by which a pixel may differ from where it is taken to come from."""

LIKELIER = 0.02
"""Of the range: the way of a thing, or of the ground, is taken before a pixel's own that fits better by less."""

REACH, STRIDE = 0.06, 64
"""Share of the longer side around its place on a stiff thing in which a pixel's own is looked for, as a leg's is; and
how many places along a side are tried at most."""


@dataclass(frozen=True, eq=False)
class Layers:
    """A clip of F frames of H x W pixels, told from its key frame.

    Attributes:
        key: the index of that frame
        things: (H, W) int64, which thing each of its pixels shows, from 1; 0 is the ground
        whose: (F, H, W) int64, the same of the pixels of each frame
        origins: (F, H, W, 2) where, x and y in pixels, what they show lies in the key frame
        seen: (F, H, W) bool, whether it is to be seen there
        ways: (F, n + 1, 2, 3) affine maps from places in the key frame to those in each frame, the ground's first
    """

    key: int
    things: Tensor
    whose: Tensor
    origins: Tensor
    seen: Tensor
    ways: Tensor

    @property
    def size(self) -> Size:
        return int(self.things.shape[0]), int(self.things.shape[1])

    def back(self, frame: int, thing: int) -> Tensor:
        """Where the pixels of a frame lie in the key frame if they go the way of a thing, or of the ground (0): (H, W,
        2)."""
        return mapped(inverse(self.ways[frame, thing]), centres(self.size, self.size))


def layers(frames: Tensor, flow: Flow, key: int, edited: Tensor) -> Layers:
    """The things and the ground of a clip, told from one of its frames.

    The ground goes the way, an affine one, that most of the key frame's pixels go. What parts from it is a thing, which
    goes a way of its own. A pixel of a frame goes by that of these ways, or by its own, on which the key frame shows
    the same.

    Args:
        frames: (F, 3, H, W) in [0, 1]
        flow: of them
        key: which of them
        edited: (H, W) bool, what an edit of the key frame changes, which helps to find things
    """
    step = max(1, ceil((flow.size[0] * flow.size[1] / MOST_POINTS) ** 0.5))
    grid = centres(flow.size, flow.size)[::step, ::step]
    places, found = _journeys(flow, key, grid.reshape(-1, 2))
    ground = _filled([fitted(places[key], *each) for each in zip(places, found, strict=True)], key)
    stays = torch.stack([mapped(way, places[key]) for way in ground])
    away = (places - stays).norm(dim=-1)
    apart = torch.where(found, away, 0.0).amax(0) > max(APART[0], APART[1] * max(flow.size))
    apart = apart.view(grid.shape[:2]).repeat_interleave(step, 0).repeat_interleave(step, 1)
    things = find_things(frames[key], apart[: flow.size[0], : flow.size[1]], edited)
    of = things[::step, ::step].flatten()
    ways = [ground]
    for thing in range(1, int(things.max()) + 1):
        own = of == thing
        tracked = [fitted(places[key][own], there[own], which[own], similar=True)
                   for there, which in zip(places, found, strict=True)]  # fmt: skip
        ways.append(_tracked(frames, key, things == thing, tracked))
    origins, seen = _origins(flow, key)
    told = Layers(key, things, things.expand(len(flow), -1, -1).clone(), origins, seen, torch.stack(ways, dim=1))
    for frame in range(len(flow)):
        if frame != key:
            _assign(told, frames, frame)
    return told


def _filled(ways: list[Tensor | None], key: int) -> Tensor:
    """Ways (F, 2, 3), where there is none that of the frame nearer to the key frame."""
    found = {key: STAYS}
    for frame, near in outwards(len(ways), key):
        way = ways[frame]
        found[frame] = found[near] if way is None else way
    return torch.stack([found[frame] for frame in range(len(ways))])


def _tracked(frames: Tensor, key: int, thing: Tensor, tracked: list[Tensor | None]) -> Tensor:
    """The ways (F, 2, 3) of a thing (H, W), from one frame to the next, by what they show."""
    found, last = {key: STAYS}, {key: STAYS}
    for frame, near in outwards(len(frames), key):
        ahead = found[near].clone()
        ahead[:, 2] += found[near][:, 2] - last[near][:, 2]  # as far again as in the frame before
        guesses = [found[near], ahead, *([] if (way := tracked[frame]) is None else [way])]
        found[frame], last[frame] = aligned(frames[key], frames[frame], thing, guesses), found[near]
    return torch.stack([found[frame] for frame in range(len(frames))])


def _assign(told: Layers, frames: Tensor, frame: int) -> None:
    """Say whose the pixels of a frame are, and where they come from: of all ways that they may have gone, that on which
    the key frame shows the most alike."""
    origins, seen, whose = told.origins[frame], told.seen[frame], told.whose[frame]
    rigid = [told.back(frame, way) for way in range(told.ways.shape[1])]
    lands = [within(there, told.size) & (nearest_of(told.things, there) == way) for way, there in enumerate(rigid)]
    shown, key = frames[frame], frames[told.key]
    errors = [torch.where(on, _differs(shown, key, there), 9.0) for on, there in zip(lands, rigid, strict=True)]
    own = torch.where(seen, _differs(shown, key, origins) + LIKELIER, 9.0)
    best, which = torch.stack([*errors, own]).min(0)
    known = best < MATCHES
    whose[:] = torch.where(seen, nearest_of(told.things, origins), 0)
    for way, there in enumerate(rigid):
        taken = known & (which == way)
        origins[taken], whose[taken] = there[taken], way
    seen[:] = known
    whose[~known] = 0
    for way in range(1, len(rigid)):
        _look_around(told, frames, frame, way, rigid[way])


def _look_around(told: Layers, frames: Tensor, frame: int, thing: int, rigid: Tensor) -> None:
    """Let pixels of a frame that come from nowhere come from the nearest place inside a thing that looks the same, as
    those of a leg do that has moved by itself."""
    origins, seen, whose = told.origins[frame], told.seen[frame], told.whose[frame]
    reach = max(2, round(REACH * max(told.size)))
    inside = -F.max_pool2d(-(told.things == thing).float()[None], 3, stride=1, padding=1)[0]
    near = F.max_pool2d(inside[None], 2 * reach + 3, stride=1, padding=reach + 1)[0]  # the others have no such place
    rows, columns = (~seen & (nearest_of(near, rigid) > 0)).nonzero(as_tuple=True)
    offsets = torch.arange(-reach, reach + 1, max(1, ceil((2 * reach + 1) / STRIDE)))
    every = torch.cartesian_prod(offsets, offsets).float()
    for offset in every[every.norm(dim=1).argsort()]:
        if not len(rows):
            return
        there = rigid[rows, columns] + offset
        alike = (sample(frames[told.key][None], there[None])[0] - frames[frame][:, rows, columns]).abs().amax(0)
        good = (alike < MATCHES / 2) & (nearest_of(inside, there) > 0) & within(there, told.size)
        found = rows[good], columns[good]
        origins[found], seen[found], whose[found] = there[good], True, thing
        rows, columns = rows[~good], columns[~good]


def _differs(shown: Tensor, key: Tensor, places: Tensor) -> Tensor:
    """How far (H, W) a frame (3, H, W) is from what the key frame shows at places (H, W, 2)."""
    gap = (sample(key[None], places[None])[0] - shown).abs().amax(0)
    return F.avg_pool2d(gap[None], 3, stride=1, padding=1, count_include_pad=False)[0]


def nearest_of(values: Tensor, places: Tensor) -> Tensor:
    """Values (H, W) at places (..., 2), x and y in pixels: those of the nearest pixel, also from outside."""
    column, row = (places + 0.5).floor().long().unbind(-1)
    return values[row.clamp(0, values.shape[0] - 1), column.clamp(0, values.shape[1] - 1)]


def _journeys(flow: Flow, key: int, points: Tensor) -> tuple[Tensor, Tensor]:
    """Where points (P, 2) of the key frame are in each frame (F, P, 2), and whether they are to be seen (F, P)."""
    found = {key: (points, torch.ones(len(points), dtype=torch.bool))}
    for now, before in outwards(len(flow), key):
        ahead = now > before
        step, lost = (flow.forward[before], flow.hidden[before]) if ahead else (flow.backward[now], flow.appeared[now])
        found[now] = follow(*found[before], step, lost)
    every = [found[frame] for frame in range(len(flow))]
    return torch.stack([places for places, _ in every]), torch.stack([seen for _, seen in every])


def _origins(flow: Flow, key: int) -> tuple[Tensor, Tensor]:
    """Where the pixels of each frame lie in the key frame (F, H, W, 2), and whether they are to be seen there (F, H,
    W): maps composed frame by frame, so that no picture is resampled twice."""
    pixels = centres(flow.size, flow.size)
    found = {key: (pixels, torch.ones(flow.size, dtype=torch.bool))}
    for now, before in outwards(len(flow), key):
        ahead = now > before
        step, lost = (flow.backward[before], flow.appeared[before]) if ahead else (flow.forward[now], flow.hidden[now])
        places, seen = found[before]
        there = pixels + step.permute(1, 2, 0)
        back = sample(places.permute(2, 0, 1)[None], there[None])[0].permute(1, 2, 0)
        still = sample(seen[None, None].float(), there[None])[0, 0] > 0.5
        found[now] = back, still & ~lost & within(there, flow.size)
    every = [found[frame] for frame in range(len(flow))]
    return torch.stack([places for places, _ in every]), torch.stack([seen for _, seen in every])
