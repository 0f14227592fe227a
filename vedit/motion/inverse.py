"""Where the pixels of each frame come from, given where those of a picture go."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from vedit.clip.sizes import Size
from vedit.flow import centres, sample

HELD = 0.5
"""How firmly a pixel is held, 0 to 1, from which on it moves with the strokes in front of the rest."""

ITERATIONS = 6
"""Of Newton's method; where the motion is rigid the first is exact."""

LONGEST_STEP = 8.0
"""Pixels that one of them may go."""

MET = 0.5
"""Pixels by which a place may be missed."""

SHRUNK, TORN = 0.15, 6.0
"""Areas of a pixel of the picture in a frame between which it is shown: what is stretched further is torn."""

FOLDED = 0.1
"""Area that is left of a pixel, from which on a motion counts as folded."""

COARSE = 2
"""Pixels along a side of the cells in which moved things are looked for: a thing twice as large leaves no gaps."""


@dataclass(frozen=True, eq=False)
class Sources:
    """Where what the pixels of F frames show lies in a picture of H x W pixels.

    Attributes:
        backward: (F, 2, H, W) how far away (x, y), in pixels; where it is not visible, what only the camera moved
        visible: (F, H, W) bool, whether it is to be seen in the picture
        held: (F, H, W) how firmly it is held there, 0 to 1
    """

    backward: Tensor
    visible: Tensor
    held: Tensor


def find_sources(moved: Tensor, held: Tensor, order: Tensor, camera: Tensor) -> Sources:
    """Invert a motion, frame by frame: things that strokes hold lie in front of the rest, and of one another by order.

    Args:
        moved: (F, 2, H, W) how far each pixel of the picture has moved, in pixels, before the camera
        held: (H, W) how firmly it is held, 0 to 1
        order: (H, W) how near it is: the larger lies in front
        camera: (F, 2, 3) affine maps from places in the picture to those in each frame

    Source: Newton's method; what lies in front, by splatting, as in Niklaus & Liu 2020, section 3.
    """
    size = held.shape[0], held.shape[1]
    pixels = centres(size, size)
    back, seen, firmly = [], [], []
    for frame in range(len(moved)):
        values = torch.cat([moved[frame], gradients(moved[frame, None])[0], held[None]])[None]
        still = mapped(inverse(camera[frame]), pixels).flatten(0, 1)  # (H W, 2), what the camera alone would show
        places, valid, firm = _solved(values, still, still, size)
        guess, which = _splatted(moved[frame], held, order, camera[frame])
        front, met, front_firm = _solved(values, guess, still[which], size)
        ahead = met & (front_firm >= HELD)
        places[which[ahead]], valid[which[ahead]], firm[which[ahead]] = front[ahead], True, front_firm[ahead]
        shown = torch.where(valid[:, None], places, still)
        back.append(shown.view_as(pixels) - pixels)
        seen.append(valid.view(size))
        firmly.append(torch.where(valid, firm, 0).view(size))
    return Sources(torch.stack(back).permute(0, 3, 1, 2), torch.stack(seen), torch.stack(firmly))


def with_camera(moved: Tensor, camera: Tensor) -> Tensor:
    """How far each pixel has moved in all (F, 2, H, W), where it has ``moved`` so far before the ``camera``."""
    size = moved.shape[2], moved.shape[3]
    pixels = centres(size, size)
    places = pixels + moved.permute(0, 2, 3, 1)
    found = [mapped(camera[frame], places[frame]) - pixels for frame in range(len(moved))]
    return torch.stack(found).permute(0, 3, 1, 2)


def gradients(moved: Tensor) -> Tensor:
    """How a motion (F, 2, H, W) changes along x and along y: (F, 4, H, W), its x along both, then its y.

    Of the differences to both sides the smaller counts, so that a thing's edge moves as its inside does.
    """
    padded = F.pad(moved, (1, 1, 1, 1), mode="replicate")
    across, down = padded[..., 1:-1, :].diff(dim=-1), padded[..., 1:-1].diff(dim=-2)
    along_x = _smaller(across[..., :-1], across[..., 1:])
    along_y = _smaller(down[..., :-1, :], down[..., 1:, :])
    return torch.stack([along_x, along_y], dim=2).flatten(1, 2)


def _smaller(a: Tensor, b: Tensor) -> Tensor:
    return torch.where(a.abs() < b.abs(), a, b)


def determinant(change: Tensor) -> Tensor:
    """The area (F, ...) that a pixel has once it has moved, by the ``gradients`` (F, 4, ...) of its motion."""
    xx, xy, yx, yy = change.unbind(1)
    return (1 + xx) * (1 + yy) - xy * yx


def _solved(values: Tensor, start: Tensor, wanted: Tensor, size: Size) -> tuple[Tensor, Tensor, Tensor]:
    """The places (P, 2) that move to the ``wanted`` ones (P, 2), from a first guess; whether they are any (P,), and how
    firmly they are held (P,).

    ``values`` (1, 7, H, W) are the motion, its gradients, and how firmly each pixel is held.
    """
    missed, _, held = _at(values, start, wanted)
    places, area = start.clone(), torch.ones_like(held)
    (left,) = ((held > 0) | (missed.norm(dim=1) > MET)).nonzero(as_tuple=True)  # the rest is where it was
    near, goal = places[left], wanted[left]
    for _ in range(ITERATIONS):
        missing, change, _ = _at(values, near, goal)
        xx, xy, yx, yy = change
        size_there = determinant(change[None])[0]
        size_there = torch.where(size_there.abs() < SHRUNK, SHRUNK, size_there)
        x, y = missing.unbind(1)
        step = torch.stack([(1 + yy) * x - xy * y, (1 + xx) * y - yx * x], dim=1) / size_there[:, None]
        near = near - step * (LONGEST_STEP / step.norm(dim=1, keepdim=True).clamp(min=LONGEST_STEP))
    last, change, firm = _at(values, near, goal)
    places[left], missed[left], held[left], area[left] = near, last, firm, determinant(change[None])[0]
    x, y = places.unbind(1)
    inside = (x >= -0.5) & (x <= size[1] - 0.5) & (y >= -0.5) & (y <= size[0] - 0.5)
    return places, (missed.norm(dim=1) < MET) & (area > SHRUNK) & (area < TORN) & inside, held


def _at(values: Tensor, places: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """By how much places miss (P, 2), the gradients of the motion there (4, P), and how they are held (P,)."""
    found = sample(values, places[None])[0]
    return places + found[:2].T - wanted, found[2:6], found[6]


def _splatted(moved: Tensor, held: Tensor, order: Tensor, camera: Tensor) -> tuple[Tensor, Tensor]:
    """What strokes have brought where: a first guess of its places (P, 2) in the picture, and the pixels (P,), numbered
    along the rows, that show it."""
    size = held.shape[0], held.shape[1]
    chosen = (held >= HELD) & (moved != 0).any(0)
    origin, near = centres(size, size)[chosen], order[chosen]
    landed = mapped(camera, origin + moved.permute(1, 2, 0)[chosen])
    rows, columns = -(-size[0] // COARSE), -(-size[1] // COARSE)
    column, row = (landed / COARSE).round().long().unbind(-1)
    inside = (column >= 0) & (column < columns) & (row >= 0) & (row < rows)
    origin, near, cell = origin[inside], near[inside], (row * columns + column)[inside]
    front = torch.full((rows * columns,), -1.0).scatter_reduce(0, cell, near, "amax")
    which = torch.where(near == front[cell], torch.arange(len(cell)), -1)
    best = torch.full((rows * columns,), -1).scatter_reduce(0, cell, which, "amax").view(1, 1, rows, columns)
    around = F.max_pool2d(best.float(), 3, stride=1, padding=1).long()
    best = torch.where(best < 0, around, best)[0, 0]
    guess = best.repeat_interleave(COARSE, 0).repeat_interleave(COARSE, 1)[: size[0], : size[1]].flatten()
    (pixels,) = (guess >= 0).nonzero(as_tuple=True)
    return origin[guess[pixels]], pixels


def mapped(affine: Tensor, places: Tensor) -> Tensor:
    """Places (..., 2) under an affine map (2, 3)."""
    return places @ affine[:, :2].T + affine[:, 2]


def inverse(affine: Tensor) -> Tensor:
    turned = torch.linalg.inv(affine[:, :2])
    return torch.cat([turned, -(turned @ affine[:, 2:])], dim=1)
