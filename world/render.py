"""From a scene to frames, with the ground truth that comes for free."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from world import shapes, textures
from world.paths import UNIT
from world.scene import SIZE, Colour, Object, Scene
from world.weather import seen_through

Array = NDArray[np.floating[Any]]

Distance = Callable[[Object, Array, Array, float], Array]
"""(thing, x (H, W), y (H, W), time) -> signed distance (H, W) from its outline in pixels, negative inside."""

PALETTE: dict[Colour, tuple[float, float, float]] = {
    "red": (0.90, 0.10, 0.12),
    "orange": (1.00, 0.52, 0.05),
    "yellow": (0.98, 0.92, 0.15),
    "green": (0.10, 0.80, 0.25),
    "cyan": (0.15, 0.88, 0.92),
    "blue": (0.12, 0.22, 0.92),
    "purple": (0.62, 0.16, 0.80),
    "white": (0.97, 0.97, 0.97),
}
"""Object colours, RGB in [0, 1]."""

_Y, _X = (axis.astype(np.float32) for axis in np.mgrid[0:SIZE, 0:SIZE])


@dataclass(frozen=True)
class Rendered:
    """A clip of the world and its ground truth. F frames, K objects, SIZE x SIZE pixels."""

    scene: Scene
    frames: Array
    """(F, 3, H, W) in [0, 1]."""
    masks: Array
    """(F, K, H, W) in [0, 1]: the visible part of each object, antialiased."""
    positions: Array
    """(F, K, 2): centre (x, y) of each object in pixels."""
    joints: Array
    """(F, K, 18, 2): body points (x, y) in OpenPose's order, NaN for what is not a person."""
    flow: Array
    """(F - 1, 2, H, W): motion (x, y) in pixels of what each pixel shows, from frame i to i + 1."""


def render(scene: Scene, frames: int = 8, intensity: Sequence[float] | None = None) -> Rendered:
    """Draw ``frames`` frames; ``intensity`` (F,) in [0, 1] overrides the weather's constant one."""
    pictures, masks, flows, positions, joints = [], [], [], [], []
    for time in range(frames):
        level = scene.intensity if intensity is None else float(intensity[time])
        picture, mask = draw_frame(scene, time, level)
        pictures.append(picture)
        masks.append(mask)
        if time < frames - 1:
            flows.append(_exact_flow(scene, time, mask))
        shift = time * np.asarray(scene.camera)
        positions.append([np.asarray(each.position(time)) - shift for each in scene.objects])
        joints.append(
            [
                shapes.joints(each, time) - shift if each.shape == "person" else np.full((18, 2), np.nan)
                for each in scene.objects
            ]
        )
    return Rendered(
        scene=scene,
        frames=np.stack(pictures),
        masks=np.stack(masks),
        positions=np.asarray(positions, dtype=np.float32),
        joints=np.asarray(joints, dtype=np.float32),
        flow=np.stack(flows) if flows else np.zeros((0, 2, SIZE, SIZE), dtype=np.float32),
    )


def draw_frame(
    scene: Scene, time: float, intensity: float, distance: Distance = shapes.distance
) -> tuple[Array, Array]:
    """One frame (3, H, W) and the masks (K, H, W) of its objects, all in [0, 1].

    ``distance``: how far pixels are from a thing's outline; another one than the world's own draws other outlines.
    """
    shift_x, shift_y = (time * v for v in scene.camera)
    x, y = _X + np.float32(shift_x), _Y + np.float32(shift_y)
    ground = textures.crop(scene.background, scene.texture, scene.offset[0] + shift_x, scene.offset[1] + shift_y)
    picture = _ground_in_look(scene, ground)
    masks = np.zeros((len(scene.objects), SIZE, SIZE), dtype=np.float32)
    for number, thing in enumerate(scene.objects):
        # Only the object's surroundings are touched: 12 px hold the neon glow.
        centre_x, centre_y = thing.position(time)
        reach = 1.15 * thing.radius + 12
        rows = slice(*np.clip([centre_y - shift_y - reach, centre_y - shift_y + reach], 0, SIZE).astype(int))
        columns = slice(*np.clip([centre_x - shift_x - reach, centre_x - shift_x + reach], 0, SIZE).astype(int))
        gap = distance(thing, x[rows, columns], y[rows, columns], time)
        cover = np.clip(0.5 - gap, 0, 1)
        masks[:, rows, columns] *= 1 - cover
        masks[number, rows, columns] = cover
        picture[rows, columns] = _object_in_look(scene, thing, picture[rows, columns], gap, cover)
    picture = seen_through(picture, scene.weather, intensity, scene.texture, time)
    return picture.transpose(2, 0, 1), masks


def _ground_in_look(scene: Scene, ground: Array) -> Array:
    if scene.look == "sketch":
        grey = ground.mean(axis=2, keepdims=True)
        return 0.88 + 0.35 * (ground - ground.mean()) + 0.1 * (grey - 0.5)
    if scene.look == "neon":
        return 0.22 * ground
    return ground.copy()


def _object_in_look(scene: Scene, thing: Object, under: Array, gap: Array, cover: Array) -> Array:
    colour = np.asarray(PALETTE[thing.colour], dtype=np.float32)
    cover, outline = cover[..., None], np.clip(2.0 - np.abs(gap), 0, 1)[..., None]
    if scene.look == "sketch":
        tinted = under * (1 - cover) + (0.35 * colour + 0.62) * cover
        return tinted * (1 - outline) + 0.25 * colour * outline
    if scene.look == "neon":
        glow = np.exp(-np.abs(gap) / 3.5)[..., None]
        return np.clip(under * (1 - 0.6 * cover) + 0.8 * colour * glow + 0.5 * outline, 0, 1)
    # A soft light from the upper left keeps an object from being one flat colour.
    shade = np.float32(1.0) - np.float32(0.12) * np.clip(1 + gap / np.float32(0.4 * thing.radius), 0, 1)[..., None]
    return under * (1 - cover) + colour * shade * cover


def exact_flow(scene: Scene, time: float, later: float = 1.0) -> Array:
    """Motion (2, H, W) in pixels (x, y) of what each pixel shows at ``time``, until so many frames ``later``; earlier,
    where that is negative."""
    return _exact_flow(scene, time, draw_frame(scene, time, 0.0)[1], later)


def _exact_flow(scene: Scene, time: float, masks: Array, later: float = 1.0) -> Array:
    flow = np.empty((2, SIZE, SIZE), dtype=np.float32)
    camera = np.asarray(scene.camera, dtype=np.float32)
    flow[:] = -later * camera[:, None, None]
    for thing, mask in zip(scene.objects, masks, strict=True):
        inside = mask > 0.5
        if thing.shape == "person":
            flow[:, inside] = _figure_flow(thing, time, inside, camera * time, later) - later * camera[:, None]
        else:
            flow[:, inside] = (_step(thing, time, later) - later * camera)[:, None]
    return flow


def _step(thing: Object, time: float, later: float) -> Array:
    """Motion (2,) of an object's centre from ``time`` until so many frames ``later``."""
    if thing.path == "straight":
        return later * thing.speed * np.asarray(UNIT[thing.direction], dtype=np.float32)
    return np.subtract(thing.position(time + later), thing.position(time)).astype(np.float32)


def _figure_flow(thing: Object, time: float, inside: NDArray[np.bool_], shift: Array, later: float) -> Array:
    """Motion (2, P) of the P pixels inside a figure: each rides on its nearest bone."""
    rows, columns = np.nonzero(inside)
    x, y = columns.astype(np.float32) + shift[0], rows.astype(np.float32) + shift[1]
    _, index, along = shapes.figure_distance(thing, x, y, time)
    moved = shapes.joints(thing, time + later) - shapes.joints(thing, time)
    named = dict(zip(shapes.JOINTS, moved, strict=True))
    head = _step(thing, time, later)
    first = np.stack([*(named[start] for start, _, _ in shapes.BONES), head])
    second = np.stack([*(named[end] for _, end, _ in shapes.BONES), head])
    which = index.astype(int)
    return (first[which] * (1 - along[:, None]) + second[which] * along[:, None]).T
