"""Who is who: people followed from frame to frame, so that person 0 stays person 0."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vedit.annotators.pose.keypoints import JOINTS, Array, Keypoints

FEWEST = 4
"""Joints that make a person; detectors find single ones in all kinds of things."""

REMEMBERED = 1.0
"""Seconds for which someone out of sight is waited for."""

FURTHEST = 0.5
"""Share of someone's own extent that they may be away from where they were expected, on the mean of the joints. An
extent is the diagonal of the box around the joints."""

LEAST_EXTENT = 0.25
"""Share of the picture's shorter side: a face alone is small, but may move as fast as the whole person."""


@dataclass
class _Track:
    """Somebody who was seen: the joints (18, 2) as last known, their mean velocity (2,) in pixels per frame, when."""

    joints: Array
    velocity: Array
    seen: int

    def expected(self, frame: int) -> Array:
        return self.joints + self.velocity * (frame - self.seen)

    def update(self, joints: Array, frame: int) -> None:
        moved = np.nanmean(joints - self.joints, axis=0) if _shared(joints, self.joints).any() else 0.0
        # Half of the old velocity steadies the new one, which comes from noisy joints.
        self.velocity = 0.5 * self.velocity + 0.5 * moved / (frame - self.seen)
        known = np.isfinite(joints).all(-1, keepdims=True)
        self.joints = np.where(known, joints, self.joints + moved)
        self.seen = frame


def track(keypoints: Keypoints) -> Keypoints:
    """The same joints with people in order of their first appearance, each in one column throughout.

    In each frame, people and those already known are paired so that the mean distances between joints and where they
    were expected (by a steady motion) add up to the least (Kuhn 1955). Whoever is too far from all is somebody new.
    """
    from scipy.optimize import linear_sum_assignment

    forget, least = REMEMBERED * float(keypoints.rate), LEAST_EXTENT * min(keypoints.size)
    tracks: list[_Track] = []
    columns: list[tuple[int, int, int]] = []  # frame, person as detected, person as tracked
    for frame, people in enumerate(keypoints.points):
        present = [number for number, known in enumerate(keypoints.known[frame]) if known.sum() >= FEWEST]
        alive = [number for number, each in enumerate(tracks) if frame - each.seen <= max(1.0, forget)]
        cost = np.array([[_apart(people[p], tracks[t].expected(frame), least) for t in alive] for p in present])
        found: dict[int, int] = {}
        if cost.size:
            for row, column in zip(*linear_sum_assignment(np.minimum(cost, 1e6)), strict=True):
                if cost[row, column] <= FURTHEST:
                    found[present[row]] = alive[column]
        for person in present:
            if person in found:
                tracks[found[person]].update(people[person], frame)
            else:
                found[person] = len(tracks)
                tracks.append(_Track(people[person].copy(), np.zeros(2), frame))
            columns.append((frame, person, found[person]))
    points = np.full((len(keypoints), len(tracks), JOINTS, 2), np.nan)
    scores = np.zeros(points.shape[:3])
    for frame, person, number in columns:
        points[frame, number], scores[frame, number] = keypoints.points[frame, person], keypoints.scores[frame, person]
    return replace(keypoints, points=points, scores=scores)


def _shared(one: Array, other: Array) -> NDArray[np.bool_]:
    return np.isfinite((one + other).sum(axis=-1))


def _apart(joints: Array, expected: Array, least: float) -> float:
    """Mean distance of the joints that both have, as a share of the person's extent, which counts as ``least`` pixels
    or more; infinite where there are none."""
    both = _shared(joints, expected)
    if not both.any():
        return np.inf
    extent = float(np.hypot(*(np.nanmax(joints, axis=0) - np.nanmin(joints, axis=0))))
    return float(np.linalg.norm(joints[both] - expected[both], axis=-1).mean()) / max(extent, least)
