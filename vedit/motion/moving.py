"""Things of a clip that go other ways than they did, cut and dragged frame by frame, under a camera of their own."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from vedit.clip.sizes import Size, resize
from vedit.flow import Flow, centres, follow, within
from vedit.motion.dense import DenseFlow, dense_flow, holding
from vedit.motion.fields import Field
from vedit.motion.ground import Ground, at, grown
from vedit.motion.inverse import HELD, inverse, mapped
from vedit.motion.learnt.completion import FlowCompletion
from vedit.motion.strokes import Drawn
from vedit.motion.warp import FILL_RADIUS, LEAST_HELD, crude_animation, warped
from vedit.motion.ways import CLEARLY, FEWEST, STAYS, aligned

RIM = 2
"""Pixels around what is moved that change too: what a lossy file has blurred there."""

MOVES = 0.25
"""Pixels from which on a thing counts as moved."""


@dataclass(frozen=True, eq=False)
class Moved:
    """A clip with its things moved, as its camera shows them.

    Attributes:
        frames: (F, 3, H, W) in [0, 1]
        changed: (F, H, W) bool, where they show anything else than the clip under the camera
        unknown: (F, H, W) bool, what of them is for a model to draw: around things at their new places, and where
            nothing is known of what comes into view
        camera: (F, 2, 3) from places in the clip's frames, x and y in pixels, to those in these
        notes: what is amiss, a line each
    """

    frames: Tensor
    changed: Tensor
    unknown: Tensor
    camera: Tensor
    notes: tuple[str, ...] = ()

    def shown(self, index: int, frame: Tensor) -> Tensor:
        """A frame of the clip at any size (3, H', W'), as this clip has it: what is changed is enlarged, the rest as
        fine as it was."""
        size = int(frame.shape[1]), int(frame.shape[2])
        camera = _scaled(self.camera[index], (self.frames.shape[2], self.frames.shape[3]), size)
        if not _stands(camera):
            away = _origins(camera, size) - centres(size, size)
            frame = warped(frame, away.permute(2, 0, 1)[None])[0].clamp(0, 1)
        changed = F.interpolate(self.changed[index, None, None].float(), size, mode="bilinear", align_corners=False)
        return torch.lerp(frame, resize(self.frames[index, None], size)[0], changed[0])


def move_things(
    frames: Tensor, flow: Flow, drawn: Drawn, field: Field = "rigid", network: FlowCompletion | None = None
) -> Moved:
    """Let the things at the beginnings of strokes go along them, instead of where they go in the clip.

    A thing is found in each frame where the clip's flow has carried its stroke's beginning, and cut from that very
    frame, so that it goes on to do what it does, such as walk. What sways does so where it is in frame 0. What was
    behind a thing, and what the camera turns to, is taken from the frames that show it.

    Args:
        frames: (F, 3, H, W) in [0, 1]
        flow: of the clip
        drawn: the new ways, from where things are in frame 0
        field, network: as for ``dense_flow``
    """
    # Strokes that stay tell a network nothing: which pixels are whose is told by their reach.
    whole = dense_flow(replace(_first_two(drawn, drawn.tracks[:, 0], 0, drawn.masks), sways=()), frames[0], field)
    own = own_ways(frames, drawn, flow, whole)  # (S, F, 2)
    cuts = [_cut(frame, index, own[:, index], drawn, field, network) for index, frame in enumerate(frames)]
    ground = Ground(frames, flow, torch.stack([each.covered for each in cuts]))
    made, unknown = [], []
    for index, cut in enumerate(cuts):
        picture, unseen = cut.picture, cut.uncovered
        if bool(unseen.any()):
            colours, seen = ground.behind(index, _origins(drawn.camera[index], drawn.size)[cut.uncovered])
            shown = torch.zeros_like(unseen)
            shown[cut.uncovered] = seen
            picture, unseen = picture.clone(), unseen & ~shown
            picture[:, shown] = colours[seen].T
        made.append(picture)
        unknown.append(grown(cut.things | unseen, RIM))
    changed = torch.stack([each.things | each.uncovered for each in cuts])
    notes = tuple(dict.fromkeys(note for each in cuts for note in each.notes))
    return Moved(torch.stack(made), changed, torch.stack(unknown), drawn.camera, notes)


@dataclass(frozen=True, eq=False)
class _Cut:
    """A frame with its things cut and dragged.

    Attributes:
        picture: (3, H, W) in [0, 1], what is uncovered filled in from around it
        covered: (H, W) bool, where the clip's own frame has the things that are moved
        things: (H, W) bool, where they are now
        uncovered: (H, W) bool, where they were, and what the clip's frame does not show
        notes: as those of ``DenseFlow``
    """

    picture: Tensor
    covered: Tensor
    things: Tensor
    uncovered: Tensor
    notes: tuple[str, ...]


def _cut(frame: Tensor, index: int, starts: Tensor, drawn: Drawn, field: Field, network: FlowCompletion | None) -> _Cut:
    """A frame (3, H, W) whose things, at ``starts`` (S, 2), go to where they are to be in it."""
    camera, size = drawn.camera[index], drawn.size
    pixels, before = centres(size, size), _origins(camera, size)
    gone = (starts - drawn.tracks[:, 0]).round()
    masks = tuple(None if mask is None else _at(mask, pixels - by) for mask, by in zip(drawn.masks, gone, strict=True))
    two = _first_two(drawn, starts, index, masks)
    moved = dense_flow(two, frame, field, network)
    moves = (pixels + moved.forward[1].permute(1, 2, 0) - mapped(camera, pixels)).norm(dim=-1) > MOVES
    left = grown((moved.held > LEAST_HELD) & moves, FILL_RADIUS)  # a lossy file has blurred its edge
    covered = left | grown(holding(two, frame) > LEAST_HELD, FILL_RADIUS)
    gone_from = _at(left, before)
    things = moved.drawn[1] & _at((moved.held >= HELD) & moves, pixels + moved.backward[1].permute(1, 2, 0))
    things |= grown(things, RIM) & moved.visible[1] & ~gone_from
    uncovered = ~things & (gone_from | ~moved.visible[1])
    crude = crude_animation(frame, moved)[1]
    picture = torch.where(things | uncovered, crude, frame) if _stands(camera) else crude
    return _Cut(picture, covered, things, uncovered, moved.notes)


def _stands(camera: Tensor) -> bool:
    return bool(torch.allclose(camera, STAYS, atol=1e-4))


def _scaled(camera: Tensor, size: Size, to: Size) -> Tensor:
    """A camera (2, 3) of pictures of one size (H, W) as that of the same pictures at another."""
    factors = torch.tensor([to[1] / size[1], to[0] / size[0]])
    linear = factors[:, None] * camera[:, :2] / factors
    half = torch.full((2,), 0.5)  # the edges of pictures come to lie on each other, not the middles of pixels
    shift = factors * (camera[:, 2] + half) - half - linear @ (factors * half - half)
    return torch.cat([linear, shift[:, None]], dim=1)


def _origins(camera: Tensor, size: Size) -> Tensor:
    """Where (H, W, 2) each pixel of a frame under a ``camera`` (2, 3) lies in the clip's own."""
    return mapped(inverse(camera), centres(size, size))


def _at(mask: Tensor, places: Tensor) -> Tensor:
    """A mask (H, W) bool at places (..., 2); nothing lies outside."""
    return at(mask, places) & within(places, (mask.shape[0], mask.shape[1]))


def own_ways(frames: Tensor, drawn: Drawn, flow: Flow, whole: DenseFlow) -> Tensor:
    """Where in each frame the clip itself has what lies at each stroke's beginning (S, F, 2): the way of the pixels
    that are nearest to that stroke, of those that any holds (``whole``, of frame 0).

    Flow knows little of a thing of one colour, and what it errs by adds up from frame to frame: so its median over
    these pixels, since frame 0 or since the last frame, is where the thing is looked for, as frame 0 shows it.
    """
    size = whole.size
    starts = drawn.tracks[:, 0]
    if not len(starts):
        return drawn.tracks
    pixels = centres(size, size)[whole.held >= HELD]
    if not len(pixels):
        pixels = starts
    nearest = torch.cdist(pixels, starts).argmin(1)
    things = []
    for which in range(len(starts)):
        thing = torch.zeros(size, dtype=torch.bool)
        x, y = pixels[nearest == which].round().long().unbind(1)
        thing[y.clamp(0, size[0] - 1), x.clamp(0, size[1] - 1)] = True
        things.append(thing)
    places, seen = pixels, torch.ones(len(pixels), dtype=torch.bool)
    gone = torch.zeros_like(pixels)
    found = [STAYS] * len(starts)
    ways = [starts]
    for index in range(len(flow) - 1):
        places, seen = follow(places, seen, flow.forward[index], flow.hidden[index])
        before, gone = gone, places - pixels
        for which, thing in enumerate(things):
            own = seen & (nearest == which)
            guesses = [_shifted(STAYS, _median(gone, own)), _shifted(found[which], _median(gone - before, own))]
            if int(thing.sum()) >= FEWEST:
                found[which] = aligned(frames[0], frames[index + 1], thing, guesses, CLEARLY)
            else:
                found[which] = guesses[0]
        ways.append(torch.stack([mapped(way, start) for way, start in zip(found, starts, strict=True)]))
    return torch.stack(ways, dim=1)


def _shifted(way: Tensor, by: Tensor) -> Tensor:
    """A way (2, 3) that leads further by some pixels (2,)."""
    return torch.cat([way[:, :2], way[:, 2:] + by[:, None]], dim=1)


def _median(gone: Tensor, which: Tensor) -> Tensor:
    """The median (2,) of some of the ways (P, 2); of all where there are none."""
    return gone[which].median(0).values if which.any() else gone.median(0).values


def _first_two(drawn: Drawn, starts: Tensor, index: int, masks: tuple[Tensor | None, ...]) -> Drawn:
    """From a frame of the clip, as its things are there, to what it is to be: strokes in two frames."""
    there = drawn.pulled[:, index]
    return replace(
        drawn,
        tracks=torch.stack([starts, there], dim=1),
        strength=torch.ones(len(starts), 2),
        masks=masks,
        scale=drawn.scale[:, [0, index]],
        turn=drawn.turn[:, [0, index]],
        camera=drawn.camera[[0, index]],
        sways=tuple(each.in_frames([0, index]) for each in drawn.sways),
    )
