"""The mask of an object whose colour, and the ground behind it, are known: exact, with nothing learned.

What a frame shows at a pixel lies somewhere between the ground x0 and the object x1 there. How far along that line it
is, <x - x0, x1 - x0> / |x1 - x0|^2, is how much of the object's colour the pixel holds; half of it makes it the
object's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

import world
from world import Scene

Array = NDArray[np.floating[Any]]

SHADE = 0.94
"""Mean brightness of an object under the world's soft light."""

NEAR = 10
"""How far from the true object, in pixels, pixels can be taken for it."""

FAINTEST = 1e-3
"""Least squared distance between the two colours that are told apart."""


def matte(picture: Array, scene: Scene, time: float, number: int = 0) -> NDArray[np.bool_]:
    """Where ``picture`` (3, H, W) in [0, 1] shows an object of ``scene`` in the frame at ``time``, as a mask (H, W).

    Args:
        scene: in clear air and the plain look
        number: which of its objects
    """
    exact, masks = world.draw_frame(scene, time, 0.0)
    ground, _ = world.draw_frame(replace(scene, objects=()), time, 0.0)
    colour = SHADE * np.asarray(world.PALETTE[scene.objects[number].colour])[:, None, None]
    thing = np.where(masks[number] > 0.99, exact, colour)
    across = thing - ground
    squared = (across**2).sum(axis=0)
    share = ((picture - ground) * across).sum(axis=0) / np.maximum(squared, FAINTEST)
    return (share > 0.5) & ndimage.binary_dilation(masks[number] > 0.5, iterations=NEAR)
