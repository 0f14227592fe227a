"""Things of a clip that go other ways than they did, cut and dragged frame by frame."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from vedit.flow import Flow, centres, follow
from vedit.motion.dense import DenseFlow, dense_flow
from vedit.motion.fields import Field
from vedit.motion.inverse import HELD
from vedit.motion.learnt.completion import FlowCompletion
from vedit.motion.strokes import Drawn
from vedit.motion.warp import crude_animation

RIM = 2
"""Pixels around what is moved that change too: what a lossy file has blurred there."""

CAMERA_STAYS = "the camera of the strokes is for pictures and clips that are made; a clip that is edited keeps its own."

MOVES = 0.25
"""Pixels from which on a thing counts as moved."""


@dataclass(frozen=True, eq=False)
class Moved:
    """A clip with its things moved.

    Attributes:
        frames: (F, 3, H, W) in [0, 1]
        changed: (F, H, W) bool, where things were and where they are
        notes: what is amiss, a line each
    """

    frames: Tensor
    changed: Tensor
    notes: tuple[str, ...] = ()


def move_things(
    frames: Tensor, flow: Flow, drawn: Drawn, field: Field = "rigid", network: FlowCompletion | None = None
) -> Moved:
    """Let the things at the beginnings of strokes go along them, instead of where they go in the clip.

    A thing is found in each frame where the clip's flow has carried its stroke's beginning, and cut from that very
    frame, so that it goes on to do what it does, such as walk. What sways does so where it is in frame 0.

    Args:
        frames: (F, 3, H, W) in [0, 1]
        flow: of the clip
        drawn: the new ways, from where things are in frame 0
        field, network: as for ``dense_flow``
    """
    # Strokes that stay tell a network nothing: which pixels are whose is told by their reach.
    whole = dense_flow(replace(_first_two(drawn, drawn.tracks[:, 0], 0, drawn.masks), sways=()), frames[0], field)
    own = own_ways(drawn, flow, whole)  # (S, F, 2)
    made, changed, notes = [], [], dict[str, None]()
    if not drawn.still_camera:
        notes[CAMERA_STAYS] = None
    for index, frame in enumerate(frames):
        gone = (own[:, index] - drawn.tracks[:, 0]).round().long()
        masks = tuple(
            None if mask is None else torch.roll(mask, (int(by[1]), int(by[0])), (0, 1))
            for mask, by in zip(drawn.masks, gone, strict=True)
        )
        moved = dense_flow(_first_two(drawn, own[:, index], index, masks), frame, field, network)
        there = moved.drawn[1] | ~moved.visible[1] | (moved.held >= HELD)
        rim = F.max_pool2d(there.float()[None], 2 * RIM + 1, stride=1, padding=RIM)[0].bool()
        still = bool(moved.forward[1].abs().amax() < MOVES)
        made.append(frame if still else torch.where(rim, crude_animation(frame, moved)[1], frame))
        changed.append(torch.zeros_like(rim) if still else rim)
        notes |= dict.fromkeys(moved.notes)
    return Moved(torch.stack(made), torch.stack(changed), tuple(notes))


def own_ways(drawn: Drawn, flow: Flow, whole: DenseFlow) -> Tensor:
    """Where in each frame the clip itself has what lies at each stroke's beginning (S, F, 2): by the median way of the
    pixels that are nearest to that stroke, of those that any holds (``whole``, of frame 0)."""
    size = whole.size
    starts = drawn.tracks[:, 0]
    if not len(starts):
        return drawn.tracks
    pixels = centres(size, size)[whole.held >= HELD]
    if not len(pixels):
        pixels = starts
    nearest = torch.cdist(pixels, starts).argmin(1)
    places, seen = pixels, torch.ones(len(pixels), dtype=torch.bool)
    ways = [starts]
    for index in range(len(flow) - 1):
        places, seen = follow(places, seen, flow.forward[index], flow.hidden[index])
        gone = places - pixels
        medians = [_median(gone, seen & (nearest == which)) for which in range(len(starts))]
        ways.append(starts + torch.stack(medians))
    return torch.stack(ways, dim=1)


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
        camera=drawn.camera[[0, 0]],
        sways=tuple(each.in_frames([0, index]) for each in drawn.sways),
    )
