"""What moves in a clip: the camera, and upon the ground one thing."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vedit.clip.sizes import Size
from vedit.flow import Flow, centres, estimate_flow
from vedit.motion.ways import CLEARLY, aligned, outwards

Array = NDArray[np.float64]

STANDS = 0.01
"""Share of a picture's diagonal up to which nothing counts as moved in a whole clip."""

SLOWEST = 0.2
"""Pixels from frame to frame up to which nothing does: what estimated flow errs by."""

FASTEST_SHARE = 0.005
"""Of a picture, the pixels that are left out as faster than the thing: flow errs most at single ones."""

WITH_IT = 0.3
"""Share of a thing's speed from which on a pixel moves with it."""

SMALLEST = 0.002
"""Share of the picture that a thing covers at least."""

NEAR = 1.0
"""Pixels within which a pixel moves with the camera, or with the thing."""

APART = 8
"""Pixels between those that the camera is found by."""

TURNED, GROWN = np.radians(8.0), np.log(1.1)
"""Up to which a thing counts as neither turned nor grown in a whole clip."""


@dataclass(frozen=True, eq=False)
class ClipMotion:
    """What moves in F frames, as from the first one. Places are pixels of pictures of ``size`` (H, W).

    Attributes:
        camera: (F, 2, 3) from places in frame 0 to where the ground has them in each frame
        way: (F, 2) how far (x, y) the thing has moved upon the ground of frame 0
        scale: (F,) how large it is, 1 in frame 0
        turn: (F,) radians by which it is turned, clockwise as seen
        has_thing: whether there is any that moves
    """

    size: Size
    camera: Array
    way: Array
    scale: Array
    turn: Array
    has_thing: bool

    @property
    def stands_still(self) -> bool:
        """Whether nothing moves, the camera neither."""
        return not self.has_thing and bool(np.allclose(self.camera, np.eye(2, 3)))

    def at(self, frames: Array) -> ClipMotion:
        """The same at other moments, in frames and shares of the way to the next; after the last all stays."""
        known = np.arange(len(self.way), dtype=np.float64)

        def between(values: Array) -> Array:
            flat = values.reshape(len(values), -1)
            found = np.stack([np.interp(frames, known, column) for column in flat.T], -1)
            return found.reshape(len(frames), *values.shape[1:])

        return ClipMotion(
            self.size, between(self.camera), between(self.way), between(self.scale), between(self.turn), self.has_thing
        )


def motion_of(frames: Tensor) -> ClipMotion:
    """What moves in frames (F, 3, H, W) in [0, 1], by their optical flow, and the thing also by what it looks like:
    inside of one colour flow finds little to hold on to, and falls short.

    The camera's motion from frame to frame is the similarity that most of the picture follows; the thing is the largest
    piece of the rest, that moves as fast as the fastest.
    """
    return parted(estimate_flow(frames), frames)


def parted(flow: Flow, frames: Tensor | None = None) -> ClipMotion:
    """The camera and the thing of a clip with this flow; the thing is followed in the ``frames`` (F, 3, H, W), if they
    are given."""
    size, count = flow.size, len(flow)
    diagonal = float(np.hypot(*size))
    steps = [_camera_step(ahead, hidden) for ahead, hidden in zip(flow.forward, flow.hidden, strict=True)]
    camera = _chained(steps)
    if _furthest(camera, size) < STANDS * diagonal:
        steps, camera = [np.eye(2, 3)] * (count - 1), np.repeat(np.eye(2, 3)[None], count, 0)
    pixels = centres(size, size).double().numpy()  # (H, W, 2)
    moved = flow.forward.permute(0, 2, 3, 1).double().numpy()  # (F - 1, H, W, 2)
    upon = [pixels + ahead - _mapped(step, pixels) for ahead, step in zip(moved, steps, strict=True)]
    speed = np.linalg.norm(np.array(upon).reshape(-1, *size, 2), axis=-1)
    way, log_scale, turn = _thing(_pieces(speed), pixels, moved, camera, frames)
    there = bool(np.linalg.norm(way, axis=1).max() >= STANDS * diagonal)
    log_scale = log_scale * (there and np.abs(log_scale).max() > GROWN)
    turn = turn * (there and np.abs(turn).max() > TURNED)
    return ClipMotion(size, camera, way * there, np.exp(log_scale), turn, there)


def _thing(
    pieces: list[NDArray[np.bool_] | None], pixels: Array, moved: Array, camera: Array, frames: Tensor | None
) -> tuple[Array, Array, Array]:
    """How a thing moves upon the ground of frame 0: (F, 2) its middle, (F,) the logarithm of its scale, (F,) its turn.

    Args:
        pieces: (H, W) of each frame but the last, which pixels show it
        pixels: (H, W, 2)
        moved: (F - 1, H, W, 2) the flow
        camera: (F, 2, 3)
        frames: (F, 3, H, W), what they show; None to go by the flow alone
    """
    count = len(camera)
    maps, middle, best, most = np.repeat(np.eye(2, 3)[None], count - 1, 0), np.zeros(2), -1, 0
    for index, which in enumerate(pieces):
        if which is None:
            continue
        start = _mapped(_inverted(camera[index]), pixels[which])
        end = _mapped(_inverted(camera[index + 1]), pixels[which] + moved[index][which])
        maps[index] = _similarity(start, end)
        if which.sum() > most:  # where most of it is seen its middle is told best
            middle, best, most = start.mean(0), index, int(which.sum())
    thing = pieces[best] if best >= 0 else None
    if thing is None:
        return np.zeros((count, 2)), np.zeros(count), np.zeros(count)
    upon = {best: np.eye(2, 3)}  # from the ground as the thing is on it in the best frame
    for index in range(best, count - 1):
        upon[index + 1] = _after(maps[index], upon[index])
    for index in range(best - 1, -1, -1):
        upon[index] = _after(_inverted(maps[index]), upon[index + 1])
    if frames is not None:
        upon = _followed(upon, best, torch.from_numpy(thing), camera, frames)
    ways = np.stack([upon[index] for index in range(count)])
    places = np.stack([_mapped(each, middle) for each in ways])
    log_scale = np.log(np.hypot(ways[:, 0, 0], ways[:, 1, 0]).clip(1e-3))
    turn = np.unwrap(np.arctan2(ways[:, 1, 0], ways[:, 0, 0]))
    return places - places[0], log_scale - log_scale[0], turn - turn[0]


def _followed(upon: dict[int, Array], best: int, thing: Tensor, camera: Array, frames: Tensor) -> dict[int, Array]:
    """The ways of a ``thing`` (H, W) of the best frame upon the ground, each made better by what the ``frames`` show.

    It is looked for where flow has it, and where it is by flow from where it was found in the frame nearer to the best.
    """
    flown = {index: _after(camera[index], _after(way, _inverted(camera[best]))) for index, way in upon.items()}
    found = {best: np.eye(2, 3)}
    for now, near in outwards(len(camera), best):
        step = _after(flown[now], _inverted(flown[near]))
        guesses = [torch.from_numpy(each).float() for each in (flown[now], _after(step, found[near]))]
        found[now] = aligned(frames[best], frames[now], thing, guesses, CLEARLY).double().numpy()
    return {index: _after(_inverted(camera[index]), _after(way, camera[best])) for index, way in found.items()}


def _after(second: Array, first: Array) -> Array:
    """(2, 3): one affine map (2, 3) after another."""
    return np.column_stack([second[:, :2] @ first[:, :2], _mapped(second, first[:, 2])])


def _camera_step(ahead: Tensor, hidden: Tensor) -> Array:
    """(2, 3): the similarity from places in a frame to those in the next that most of the picture follows."""
    size = int(ahead.shape[1]), int(ahead.shape[2])
    cells = max(2, size[0] // APART), max(2, size[1] // APART)
    column, row = centres(cells, size).round().long().unbind(-1)
    seen = ~hidden[row, column]
    start = torch.stack([column, row], -1)[seen].double().numpy()
    end = start + ahead[:, row, column].permute(1, 2, 0)[seen].double().numpy()
    return _similarity(start, end)


def _similarity(start: Array, end: Array) -> Array:
    """(2, 3): the similarity that most of some places follow; none at all where they are too few."""
    if len(start) < 3:
        return np.eye(2, 3)
    found, _ = cv2.estimateAffinePartial2D(start, end, method=cv2.RANSAC, ransacReprojThreshold=NEAR)
    return np.eye(2, 3) if found is None else found.astype(np.float64)


def _pieces(speed: Array) -> list[NDArray[np.bool_] | None]:
    """Of each frame's speeds (F, H, W) upon the ground the pixels (H, W) of the thing; None where it stands.

    Found where it shows best, and from there on in both directions by what overlaps.
    """
    if not len(speed):
        return []
    tops = np.quantile(speed, 1 - FASTEST_SHARE, axis=(1, 2))
    masks = [each > max(WITH_IT * top, SLOWEST) for each, top in zip(speed, tops, strict=True)]
    found: list[NDArray[np.bool_] | None] = [None] * len(speed)
    best = int(np.argmax([mask.sum() * top * (top >= SLOWEST) for mask, top in zip(masks, tops, strict=True)]))
    if tops[best] < SLOWEST or (first := _piece(masks[best], None)) is None:
        return found
    found[best] = first
    for order in (range(best + 1, len(speed)), range(best - 1, -1, -1)):
        last = first
        for index in order:
            piece = _piece(masks[index], last)
            found[index] = piece
            last = last if piece is None else piece
    return found


def _piece(mask: NDArray[np.bool_], before: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    """The largest piece of a mask, or the one that has most in common with the one ``before``; None where there is
    none of a thing's size."""
    opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    _, pieces, facts, _ = cv2.connectedComponentsWithStats(opened)
    weight = facts[:, cv2.CC_STAT_AREA].astype(np.int64)
    if before is not None:
        weight = np.bincount(pieces[before], minlength=len(facts)) * (weight >= SMALLEST * mask.size)
    weight[0] = 0
    which = int(weight.argmax())
    if weight[which] == 0 or facts[which, cv2.CC_STAT_AREA] < SMALLEST * mask.size:
        return None
    inner = cv2.erode((pieces == which).astype(np.uint8), np.ones((3, 3), np.uint8))
    return inner.astype(bool) if inner.any() else pieces == which


def _chained(steps: list[Array]) -> Array:
    """(F, 2, 3): affine maps (2, 3) from each frame to the next, put together from frame 0 on."""
    found = [np.eye(2, 3)]
    for step in steps:
        found.append(_after(step, found[-1]))
    return np.stack(found)


def _furthest(camera: Array, size: Size) -> float:
    """How far the camera moves a corner of the picture at most, in pixels."""
    corners = np.array([[0.0, 0], [size[1], 0], [0, size[0]], [size[1], size[0]]])
    return max(float(np.linalg.norm(_mapped(each, corners) - corners, axis=1).max()) for each in camera)


def _mapped(affine: Array, places: Array) -> Array:
    """Places (..., 2) under an affine map (2, 3)."""
    moved: Array = places @ affine[:, :2].T + affine[:, 2]
    return moved


def _inverted(affine: Array) -> Array:
    turned = np.linalg.inv(affine[:, :2])
    return np.column_stack([turned, -turned @ affine[:, 2]])
