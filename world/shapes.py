"""Signed distances of the world's shapes, and the walking figure with its exact joints.

Distances are in pixels, negative inside. After Inigo Quilez's catalogue of 2-D distance functions (the formulas, by
reflection and projection onto edges), written for arrays.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from world.paths import UNIT, walked
from world.scene import Object

Array = NDArray[np.floating[Any]]

JOINTS = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
    "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "right_eye", "left_eye",
    "right_ear", "left_ear",
)  # fmt: skip
"""The 18 body points in the order of OpenPose's COCO model, which pose ControlNets were trained on."""

BONES: tuple[tuple[str, str, float], ...] = (
    ("neck", "right_hip", 0.15), ("neck", "left_hip", 0.15),
    ("right_shoulder", "right_elbow", 0.115), ("right_elbow", "right_wrist", 0.105),
    ("left_shoulder", "left_elbow", 0.115), ("left_elbow", "left_wrist", 0.105),
    ("right_hip", "right_knee", 0.135), ("right_knee", "right_ankle", 0.115),
    ("left_hip", "left_knee", 0.135), ("left_knee", "left_ankle", 0.115),
)  # fmt: skip
"""Limbs drawn as capsules: two joints and a thickness as a share of the object's radius."""

HEAD = 0.25
"""Radius of the head, as a share of the object's radius."""


def distance(thing: Object, x: Array, y: Array, time: float) -> Array:
    """Signed distance (H, W) of ``thing`` at ``time`` frames, for pixel coordinates ``x`` and ``y`` (H, W)."""
    if thing.shape == "person":
        return figure_distance(thing, x, y, time)[0]
    centre_x, centre_y = thing.position(time)
    dx, dy = x - np.float32(centre_x), y - np.float32(centre_y)
    cos, sin = np.float32(np.cos(thing.tilt)), np.float32(np.sin(thing.tilt))
    u, v = cos * dx + sin * dy, cos * dy - sin * dx
    radius = thing.radius
    if thing.shape == "circle":
        return np.hypot(u, v) - np.float32(0.9 * radius)
    if thing.shape == "square":
        return polygon(u, v, corners_of(4, radius, np.pi / 4))
    if thing.shape == "triangle":
        return polygon(u, v, corners_of(3, 1.05 * radius, -np.pi / 2))
    return polygon(u, v, star_corners(1.08 * radius))


def corners_of(count: int, radius: float, first: float) -> NDArray[np.float64]:
    """Corners (N, 2) of a regular polygon, the first of them at the angle ``first``."""
    angles = first + np.arange(count) * 2 * np.pi / count
    return radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def star_corners(radius: float) -> NDArray[np.float64]:
    """The ten corners (10, 2) of a star, tips and notches in turn, the first tip above."""
    corners = corners_of(10, radius, -np.pi / 2)
    corners[1::2] *= 0.42
    return corners


def polygon(u: Array, v: Array, corners: NDArray[np.float64]) -> Array:
    """Distance to a closed polygon: nearest edge, signed by the parity of crossings."""
    nearest = np.full(u.shape, np.inf, dtype=np.float32)
    inside = np.zeros(u.shape, dtype=bool)
    for (ax, ay), (bx, by) in zip(
        corners.astype(np.float32), np.roll(corners, -1, axis=0).astype(np.float32), strict=True
    ):
        nearest = np.minimum(nearest, segment(u, v, ax, ay, bx, by)[0])
        crosses = (ay > v) != (by > v)
        height = by - ay if by != ay else np.float32(1e-9)
        inside ^= crosses & (u < (bx - ax) * (v - ay) / height + ax)
    return np.where(inside, -nearest, nearest)


def segment(u: Array, v: Array, ax: float, ay: float, bx: float, by: float) -> tuple[Array, Array]:
    """Distance to a segment and the position 0..1 along it of the nearest point."""
    ex, ey = bx - ax, by - ay
    along = ((u - ax) * ex + (v - ay) * ey) / np.float32(max(ex * ex + ey * ey, 1e-9))
    along = np.clip(along, 0, 1)
    return np.hypot(u - ax - along * ex, v - ay - along * ey), along


def joints(thing: Object, time: float) -> Array:
    """The figure's 18 joints (18, 2) as (x, y) in pixels, in the order of ``JOINTS``.

    A walk seen from the side, or from the front when it goes up or down: thighs and upper arms swing in
    opposition, knees and elbows bend on the way forward. A stride covers about two radii, so feet do not skate far.
    """
    centre = np.array(thing.position(time))
    radius = thing.radius
    stride = thing.phase + walked(thing, time) / (0.6 * radius)
    dx, _ = UNIT[thing.heading(time)]
    facing = dx if dx else 1.0
    swing_scale = 1.0 if dx else 0.55
    half_shoulder, half_hip = (0.16, 0.10) if dx else (0.30, 0.17)
    place: dict[str, NDArray[np.float64]] = {}

    def put(name: str, x: float, y: float) -> None:
        place[name] = centre + radius * np.array([x, y])

    def limb(start: str, names: tuple[str, str], upper: float, lower: float, lengths: tuple[float, float]) -> None:
        first = place[start] + radius * lengths[0] * np.array([np.sin(upper), np.cos(upper)])
        place[names[0]] = first
        place[names[1]] = first + radius * lengths[1] * np.array([np.sin(lower), np.cos(lower)])

    put("neck", 0.0, -0.48)
    put("nose", 0.12 * (dx or 0.0), -0.75)
    for side, sign, turn in (("right", -1.0, 0.0), ("left", 1.0, np.pi)):
        put(f"{side}_shoulder", sign * half_shoulder, -0.42)
        put(f"{side}_hip", sign * half_hip, 0.12)
        put(f"{side}_eye", 0.1 * (dx or sign), -0.80)
        put(f"{side}_ear", (-0.08 * dx) if dx else 0.2 * sign, -0.77)
        swing = swing_scale * np.sin(stride + turn)
        bend = swing_scale * max(0.0, np.cos(stride + turn))
        outward = 0.0 if dx else 0.18 * sign
        leg = facing * 0.62 * swing + outward * 0.5
        limb(f"{side}_hip", (f"{side}_knee", f"{side}_ankle"), leg, leg - facing * 0.9 * bend, (0.42, 0.42))
        arm = -facing * 0.75 * swing + outward * 2.0
        limb(f"{side}_shoulder", (f"{side}_elbow", f"{side}_wrist"), arm, arm + facing * 0.55, (0.32, 0.32))
    return np.stack([place[name] for name in JOINTS]).astype(np.float32)


def figure_distance(thing: Object, x: Array, y: Array, time: float) -> tuple[Array, Array, Array]:
    """Distance to the figure, the index of the nearest bone and the position along it, each (H, W).

    Index ``len(BONES)`` is the head.
    """
    points = dict(zip(JOINTS, joints(thing, time), strict=True))
    head_x, head_y = head_centre(thing, time)
    best = np.hypot(x - head_x, y - head_y) - np.float32(HEAD * thing.radius)
    index = np.full(x.shape, len(BONES), dtype=np.float32)
    along = np.zeros(x.shape, dtype=np.float32)
    for number, (start, end, thickness) in enumerate(BONES):
        from_segment, position = segment(x, y, *points[start], *points[end])
        gap = from_segment - np.float32(thickness * thing.radius)
        closer = gap < best
        best = np.where(closer, gap, best)
        index[closer] = number
        along = np.where(closer, position, along)
    return cast(Array, best), index, along


def head_centre(thing: Object, time: float) -> tuple[float, float]:
    x, y = thing.position(time)
    return x, y - 0.75 * thing.radius
