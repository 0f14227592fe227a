"""Which of the world's shapes a mask is: the one that overlaps it most, wherever it lies and however large it is.

Nothing here is learnt. Every shape is drawn in a few tilts, a person in the moments of its stride and seen from each
side; the mask is laid over these templates at its own centre and size, and then a little beside them, in ever smaller
steps. The best of these are drawn pixel by pixel, and moved until they overlap it most. A star that has lost an arm
fits no star well, and that is what the overlap says.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from typing import get_args

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

from world import SIZE, Object, shapes
from world.scene import Shape

SIDE = 48
"""Samples of a side of a template."""

REACH = 1.3
"""From a template's centre to its edge, in radii of the object."""

TILTS = np.linspace(-0.3, 0.3, 7)
"""Radians; the world's things tilt by 0.25 at most."""

STRIDES = 24
"""Moments of a person's stride."""

STEPS = ((6.0, 0.15), (3.0, 0.08), (1.5, 0.04), (0.7, 0.02))
"""How far beside the last best place, in pixels, and how much smaller and larger than it, the mask is tried."""


NEARLY = 0.1
"""Shapes that overlap the mask by so much less than the best one are looked at closely as well."""

CLOSELY = 80
"""How often one is drawn anew at most."""


@dataclass(frozen=True)
class Fit:
    """What overlaps a mask most of all that the world could draw."""

    thing: Object
    """It, standing still where it lies."""
    overlap: float
    """Intersection over union of the two, 0 to 1."""


@dataclass(frozen=True)
class _Templates:
    """One shape in T poses, drawn at a radius of 1 around (0, 0)."""

    things: list[Object]
    masks: Tensor
    """(T, SIDE * SIDE), 0 or 1."""
    area: float
    """Mean, in radii squared."""
    centroid: Tensor
    """(2,) mean (x, y), in radii."""


@cache
def _templates(shape: Shape) -> _Templates:
    line = (np.arange(SIDE, dtype=np.float32) + 0.5) / SIDE * 2 * REACH - REACH
    x, y = np.meshgrid(line, line)
    if shape == "person":
        poses = product(("left", "right", "up"), np.arange(STRIDES) * 2 * np.pi / STRIDES)
        things = [Object(shape, "red", way, (0.0, 0.0), 0.0, 1.0, phase=float(phase)) for way, phase in poses]
    else:
        tilts = (0.0,) if shape == "circle" else TILTS
        things = [Object(shape, "red", "up", (0.0, 0.0), 0.0, 1.0, tilt=float(tilt)) for tilt in tilts]
    masks = torch.from_numpy(np.stack([shapes.distance(thing, x, y, 0.0) < 0 for thing in things])).float()
    cell = (2 * REACH / SIDE) ** 2
    spots = torch.from_numpy(np.stack([x, y]))  # (2, SIDE, SIDE)
    middle = (masks.mean(0) * spots).sum((1, 2)) / masks.mean(0).sum()
    return _Templates(things, masks.flatten(1), float(masks.sum((1, 2)).mean()) * cell, middle)


def fitted(mask: Tensor, visible: Tensor | None = None) -> Fit:
    """The best fit of any shape to a mask.

    Args:
        mask: (H, W) bool, with something in it
        visible: (H, W) bool, where the object could be seen: not where another one may hide it. What lies outside of
            the picture is never visible.
    """
    there = torch.ones_like(mask) if visible is None else visible
    planes = torch.stack([mask & there, there]).float()
    area = float(planes[0].sum())
    rows, columns = torch.nonzero(planes[0], as_tuple=True)
    centroid = torch.tensor([columns.float().mean(), rows.float().mean()])
    rough: dict[Shape, tuple[float, Object]] = {}
    for shape in get_args(Shape):
        templates = _templates(shape)
        radius = float(np.sqrt(area / templates.area))
        place = torch.cat([centroid - radius * templates.centroid, torch.tensor([radius])])  # (3,): x, y, radius
        best, which = -1.0, 0
        for aside, larger in STEPS:
            beside, sizes = (-aside, 0.0, aside), (1 - larger, 1.0, 1 + larger)
            tries = torch.tensor(list(product(beside, beside, sizes)))
            places = torch.cat([place[:2] + tries[:, :2], place[2:] * tries[:, 2:]], dim=1)  # (27, 3)
            found = _overlaps(planes, area, places, templates.masks)  # (27, T)
            at = int(found.argmax())
            if float(found.max()) > best:
                best, place, which = float(found.max()), places[at // found.shape[1]], at % found.shape[1]
        x, y, radius = place.tolist()
        rough[shape] = best, replace(templates.things[which], start=(x, y), radius=radius)
    least = max(best for best, _ in rough.values()) - NEARLY
    close = {shape: _closely(mask, there, thing) for shape, (best, thing) in rough.items() if best >= least}
    return max(close.values(), key=lambda fit: fit.overlap)


def _overlaps(planes: Tensor, area: float, places: Tensor, templates: Tensor) -> Tensor:
    """Intersection over union (P, T) of a mask with T templates, laid at P places (P, 3): x, y, radius in pixels.

    ``planes`` (2, H, W): the mask, ``area`` pixels of it, and where anything is visible.
    """
    line = (torch.arange(SIDE) + 0.5) / SIDE * 2 * REACH - REACH
    x = places[:, 0, None, None] + places[:, 2, None, None] * line[None, None, :]  # (P, 1, SIDE)
    y = places[:, 1, None, None] + places[:, 2, None, None] * line[None, :, None]  # (P, SIDE, 1)
    height, width = planes.shape[1:]
    grid = torch.stack(
        torch.broadcast_tensors((2 * x + 1) / width - 1, (2 * y + 1) / height - 1), dim=-1
    )  # (P, SIDE, SIDE, 2)
    seen = F.grid_sample(planes.expand(len(places), -1, -1, -1), grid, align_corners=False).flatten(
        2
    )  # (P, 2, SIDE * SIDE)
    both = seen[:, 0] @ templates.T
    drawn = seen[:, 1] @ templates.T
    whole = area / (2 * REACH * places[:, 2:] / SIDE) ** 2
    return both / (whole + drawn - both).clamp(min=1e-6)


def drawn(thing: Object) -> NDArray[np.bool_]:
    """Where a thing is (H, W) at time 0."""
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    return shapes.distance(thing, x, y, 0.0) < 0


def _closely(mask: Tensor, visible: Tensor, thing: Object) -> Fit:
    """The best fit near ``thing``, of the same shape, drawn pixel by pixel."""
    reach = int(1.4 * thing.radius) + 6
    left, top = (max(0, int(middle) - reach) for middle in thing.start)
    rows, columns = slice(top, top + 2 * reach), slice(left, left + 2 * reach)
    seen, there = (plane[rows, columns].numpy() for plane in (mask & visible, visible))
    y, x = np.mgrid[0:SIZE, 0:SIZE][:, rows, columns].astype(np.float32)
    beyond = float((mask & visible).sum()) - seen.sum()
    turn = "phase" if thing.shape == "person" else "tilt"

    def moved(changes: NDArray[np.float64]) -> Object:
        aside, down, larger, turned = changes
        return replace(
            thing, start=(thing.start[0] + aside, thing.start[1] + down), radius=thing.radius * np.exp(larger / 20),
            **{turn: getattr(thing, turn) + turned / 10},
        )  # fmt: skip

    def overlap(changes: NDArray[np.float64], *, sharp: bool) -> float:
        distance = shapes.distance(moved(changes), x, y, 0.0)
        drawn = np.where(there, distance < 0 if sharp else np.clip(0.5 - distance, 0, 1), 0)
        both = (drawn * seen).sum()
        return float(both / (drawn.sum() + seen.sum() + beyond - both))

    best = minimize(
        lambda changes: -overlap(changes, sharp=False), np.zeros(4), method="Nelder-Mead",
        options={"maxfev": CLOSELY, "initial_simplex": np.vstack([np.zeros(4), np.eye(4)])},
    ).x  # fmt: skip
    return Fit(moved(best), overlap(best, sharp=True))
