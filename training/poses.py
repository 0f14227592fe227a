"""The joints of the miniature's world, where they are known exactly."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from vedit.annotators.pose.keypoints import JOINTS, Keypoints
from world import SIZE, Scene
from world.shapes import joints


def exact(scene: Scene, time: float = 0, frames: int = 1) -> Keypoints:
    """Keypoints of every person in ``frames`` frames of a scene from frame ``time`` on; the camera's way is in them."""
    figures = [each for each in scene.objects if each.shape == "person"]
    points = np.zeros((frames, len(figures), JOINTS, 2))
    for index in range(frames):
        shift = (time + index) * np.asarray(scene.camera)
        for number, figure in enumerate(figures):
            points[index, number] = joints(figure, time + index) - shift
    return Keypoints(points, np.ones(points.shape[:3]), (SIZE, SIZE), Fraction(8))
