"""A strokes file brought to a clip: its coordinates to pixels, its times to frames, its timelines to numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from torch import Tensor

from vedit.clip.sizes import Size
from vedit.errors import ConfigError, MediaError
from vedit.motion.strokes.camera import camera_of
from vedit.motion.strokes.drawn import Drawn
from vedit.motion.strokes.fields import time_of
from vedit.motion.strokes.moments import FileMoments
from vedit.motion.strokes.regions import Found, region
from vedit.motion.strokes.scale import Scale
from vedit.motion.strokes.swaying import swaying
from vedit.timeline import Moments

if TYPE_CHECKING:
    from vedit.motion.strokes.schema import Anchor, Stroke, StrokesFile

Array = NDArray[np.float64]

REACH = 1 / 8
"""Share of the picture's shorter side that moves or stays around a point without radius and mask."""

CLOSED = 1.0
"""Pixels between its ends within which a stroke comes back to where it began."""


def drawn(file: StrokesFile, size: Size, moments: Moments, found: Found | None = None) -> Drawn:
    """The strokes of a file in pictures of ``size`` (H, W) at these moments; ``found`` and what is raised are as for
    ``StrokesFile.at``."""
    scale, own = Scale(file.canvas, size), FileMoments.of(moments, file.frames, file.rate, file.loop)
    scale.check()
    ways = []
    for name, stroke in zip(file.names, file.strokes, strict=True):
        with told_of(name):
            ways.append(_way(stroke, scale, own, file.loop, found))
    stay = []
    for number, anchor in enumerate(file.anchors, 1):
        with told_of(f"anchor {number}"):
            stay.append(region(anchor.mask, scale, found))
    sways, least = [], REACH * min(size)
    for name, each in zip(file.sway_names, file.sway, strict=True):
        with told_of(name):
            sways.append(swaying(each, name, least, scale, own, file.loop, found))
    with told_of("camera"):
        camera = camera_of(file.camera, scale, own, file.loop)
    frames = moments.frames
    return Drawn(
        size=size,
        tracks=_tensor([each.track for each in ways], frames, 2),
        strength=_tensor([each.strength for each in ways], frames),
        reach=_reaches(file.strokes, scale),
        masks=tuple(each.mask for each in ways),
        scale=_tensor([each.scale for each in ways], frames),
        turn=_tensor([each.turn for each in ways], frames),
        anchors=_tensor(list(scale.points([each.point for each in file.anchors])), 2),
        anchor_reach=_reaches(file.anchors, scale),
        anchor_masks=tuple(stay),
        camera=_tensor(list(camera), 2, 3),
        loop=file.loop,
        names=file.names,
        sways=tuple(sways),
    )


class _Way(NamedTuple):
    """What becomes of one stroke: (F, 2), and (F,) each; and its region."""

    track: Array
    strength: Array
    scale: Array
    turn: Array
    mask: Tensor | None


def _way(stroke: Stroke, scale: Scale, moments: FileMoments, loop: bool, found: Found | None) -> _Way:
    """Where a stroke's point is in each frame, and how it is there.

    Between points by monotone cubics (PCHIP) in each coordinate, which do not overshoot; before the first it waits
    there, after the last it stays. In a loop, a stroke that does not end where it begins goes back as it came.
    """
    points = scale.points(stroke.points)
    seen = np.ones(len(points)) if stroke.visible is None else np.array(stroke.visible, np.float64)
    if loop and np.hypot(*(points[-1] - points[0])) > CLOSED:
        if stroke.times is not None:
            raise ConfigError(
                "it ends elsewhere than it begins, which a loop cannot; close it, or leave its times out."
            )
        points, seen = np.concatenate([points, points[-2::-1]]), np.concatenate([seen, seen[-2::-1]])
    times = _times(stroke.times, len(points), moments)
    frames = np.arange(moments.frames, dtype=np.float64)
    track = PchipInterpolator(times, points, axis=0)(frames.clip(times[0], times[-1]))
    visible = seen[(np.searchsorted(times, frames + 1e-6, side="right") - 1).clip(0)]
    strength = np.array(stroke.per_frame("strength", moments)) * visible
    size, turn = (np.array(stroke.shape.per_frame(which, moments)) for which in ("scale", "turn"))
    return _Way(track, strength, size, np.radians(turn), region(stroke.mask, scale, found))


def _times(times: Sequence[str] | None, count: int, moments: FileMoments) -> Array:
    """The frame of the clip, and the share of the way to the next, at which each of ``count`` points is reached."""
    if times is None:
        return np.linspace(0.0, max(moments.end, 1.0), count)
    if moments.beats is None and any(time_of(time)[1] == "b" for time in times):
        raise ConfigError("its times count beats, and there are none; give a sound with --audio, or the --bpm.")
    found = [moments.clip_frame(*time_of(time)) for time in times]
    for (before, after), said in zip(pairwise(found), times[1:], strict=True):
        if after <= before:
            raise ConfigError(f"its time {said} turns out no later than the one before; put them in order.")
    return np.array(found)


@contextmanager
def told_of(name: str) -> Iterator[None]:
    """Put the name of what is looked at before what is wrong with it."""
    try:
        yield
    except (ConfigError, MediaError) as error:
        raise type(error)(f"{name}: {error}") from error


def _reaches(each_of: Iterable[Stroke | Anchor], scale: Scale) -> Tensor:
    least = REACH * min(scale.size)
    return torch.tensor([least if each.radius is None else scale.length(each.radius) for each in each_of])


def _tensor(rows: Sequence[Array], *shape: int) -> Tensor:
    """(N, *shape), of N rows, which may be none."""
    return torch.from_numpy(np.array(rows, np.float32).reshape(-1, *shape))
