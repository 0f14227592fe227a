"""Strokes on pairs of frames of which it is known how everything moves, and what is computed of them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from vedit.flow import centres
from vedit.motion.dense import rigid_motion
from vedit.motion.strokes.drawn import Drawn

MOVING, ANYWHERE = 6, 4
"""Most points of a pair that are drawn in proportion to how far they move, and how many are drawn anywhere."""

ALONE = 0.5
"""Share of the pairs in which none are drawn anywhere."""

REACH = 0.03, 0.25
"""Range of a stroke's reach, as shares of the longer side: people draw it too small, and too large."""


def drawn_strokes(picture: Tensor, forward: Tensor, chance: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Strokes on a picture (3, H, W) in [0, 1] whose whole flow (2, H, W), in pixels, is known, but for the camera's:
    the numbers of the pixels that they begin at (K,), -1 where fewer are drawn; how far each pixel would go as it is
    computed from them (2, H, W), and how firmly it is held (H, W).

    One to ``MOVING`` of them with a probability in proportion to how far they move; and in some pairs ``ANYWHERE``
    more.

    Source: Chen et al. 2023, section 4.1.
    """
    far = forward.flatten(1).norm(dim=0).double().numpy()
    likely = far / far.sum() if far.max() >= 1e-3 else None
    moving = chance.choice(len(far), MOVING, p=likely)
    moving[chance.integers(1, MOVING + 1) :] = -1
    anywhere = chance.integers(0, len(far), ANYWHERE)
    if chance.random() < ALONE:
        anywhere[:] = -1
    points = torch.from_numpy(np.concatenate([moving, anywhere]))
    reach = float(np.exp(chance.uniform(*np.log(REACH))))
    computed, held = rigid_motion(_drawn(forward, points[points >= 0], reach), picture)
    return points, computed[1], held


def _drawn(forward: Tensor, points: Tensor, reach: float) -> Drawn:
    """Strokes of one reach, a share of the longer side, in two frames."""
    size = (int(forward.shape[1]), int(forward.shape[2]))
    begin, count = places_of(points, size), len(points)
    return Drawn(
        size=size,
        tracks=torch.stack([begin, begin + moved_at(forward[None], points[None])[0]], dim=1),
        strength=torch.ones(count, 2),
        reach=torch.full((count,), reach * max(size)),
        masks=(None,) * count,
        scale=torch.ones(count, 2),
        turn=torch.zeros(count, 2),
        anchors=torch.zeros(0, 2),
        anchor_reach=torch.zeros(0),
        anchor_masks=(),
        camera=torch.eye(2, 3).repeat(2, 1, 1),
        loop=False,
        names=("",) * count,
    )


def moved_by_camera(forward: Tensor) -> Tensor:
    """How far a camera that pans moves most of a picture (2,), in pixels, given its flow (2, H, W); strokes are drawn
    as if it stood still."""
    most = forward.flatten(1).median(1).values
    return most if most.norm() > 0.05 * forward.norm(dim=0).max() else torch.zeros_like(most)


def moved_at(forward: Tensor, points: Tensor) -> Tensor:
    """How far pixels move (B, K, 2), by their numbers (B, K), given the whole flow (B, 2, H, W); -1 is the first's."""
    which = points.clamp(min=0)[:, None].expand(-1, 2, -1)
    return forward.flatten(2).gather(2, which).transpose(1, 2)


def places_of(numbers: Tensor, size: tuple[int, int]) -> Tensor:
    """The places (..., 2), x and y, of pixels by their numbers along the rows (...)."""
    return centres(size, size).reshape(-1, 2).to(numbers.device)[numbers]
