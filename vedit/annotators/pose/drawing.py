"""Skeletons drawn as pose ControlNets were shown them.

The numbers (which limbs, in which order and colour, how thick and how dark) are those of lllyasviel's ControlNet
annotator, which controlnet_aux carries on. There, shapes are filled on whole pixels; here they are antialiased and lie
between pixels where the joints do, so that nothing jumps when they move slowly, and small pictures are drawn as well.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vedit.annotators.pose.keypoints import Keypoints

Array = NDArray[np.floating[Any]]

LIMBS = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10),
    (1, 11), (11, 12), (12, 13), (1, 0), (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip
"""The two joints of each limb, in the order of drawing."""

COLOURS = np.array(
    [
        (255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0),
        (0, 255, 85), (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255), (85, 0, 255),
        (170, 0, 255), (255, 0, 255), (255, 0, 170), (255, 0, 85),
    ]
) / 255.0  # fmt: skip
"""RGB of each joint; limb i has the colour of joint i, darkened."""

DARKENED = 0.6
"""What is left of a limb's colour."""

WIDTH = 4.0
"""Half of a limb's thickness and a joint's radius, in pixels, where the picture's shorter side is `WIDTH_AT`."""

WIDTH_AT = 512
LEAST_WIDTH = 1.0


def draw(keypoints: Keypoints) -> Tensor:
    """Pictures (F, 3, H, W) in [0, 1], on black: first all limbs, then all joints."""
    height, width = keypoints.size
    thick = max(LEAST_WIDTH, WIDTH * min(keypoints.size) / WIDTH_AT)
    pictures = np.zeros((len(keypoints), height, width, 3), np.float32)
    for picture, people in zip(pictures, keypoints.points, strict=True):
        for (start, end), colour in zip(LIMBS, COLOURS, strict=False):
            for joints in people:
                middle, along = (joints[start] + joints[end]) / 2, (joints[end] - joints[start]) / 2
                _ellipse(picture, middle, along, thick, DARKENED * colour)
        for index, colour in enumerate(COLOURS):
            for joints in people:
                _ellipse(picture, joints[index], np.array([thick, 0.0]), thick, colour)
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous()


def _ellipse(picture: Array, middle: Array, along: Array, across: float, colour: Array) -> None:
    """Fill an ellipse of half axes ``along`` (a vector) and ``across`` (pixels) into a picture (H, W, 3).

    Nothing where a number is NaN. A pixel whose middle is on the outline or inside is filled, as OpenCV does it; the
    pixels next to it are blended by how near they are.
    """
    if not np.isfinite([*middle, *along]).all():
        return
    length = float(np.hypot(*along))
    reach = max(length, across) + 1.0
    # Only the ellipse's surroundings are touched.
    low = np.clip(np.ceil(middle - reach), 0, picture.shape[1::-1]).astype(int)
    high = np.clip(np.floor(middle + reach) + 1, 0, picture.shape[1::-1]).astype(int)
    if (low >= high).any():
        return
    x = np.arange(low[0], high[0]) - middle[0]
    y = np.arange(low[1], high[1])[:, None] - middle[1]
    cos, sin = along / length if length > 0 else (1.0, 0.0)
    # A limb seen from its end is a point, which must not be divided by.
    long = max(length, 0.5)
    u, v = (cos * x + sin * y) / long, (cos * y - sin * x) / across
    radius = np.hypot(u, v)
    # Distance to the outline in pixels, to the first order: the excess over its gradient (Quilez's bound).
    distance = radius * (radius - 1.0) / np.maximum(np.hypot(u / long, v / across), 1e-6)
    cover = np.clip(1.0 - distance, 0.0, 1.0)[..., None].astype(np.float32)
    region = picture[low[1] : high[1], low[0] : high[0]]
    region += cover * (colour.astype(np.float32) - region)
