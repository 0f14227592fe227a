"""Joints made steady in time: doubtful ones dropped, short gaps filled, jitter taken out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vedit.annotators.pose.keypoints import Array, Keypoints

WINDOW, ORDER = 9, 2
"""Of the Savitzky-Golay filter: frames, and the degree of the polynomial fitted to them."""

UNIT = 512
"""Speeds are told in pixels of a picture whose shorter side is this, so that settings hold for every size."""


def drop(keypoints: Keypoints, threshold: float) -> Keypoints:
    """Without the joints whose score is below ``threshold``."""
    return replace(keypoints, scores=np.where(keypoints.scores >= threshold, keypoints.scores, 0.0))


def fill(keypoints: Keypoints, longest: int) -> Keypoints:
    """Gaps of at most ``longest`` frames between two sightings of a joint, filled along a straight line."""
    known, times = keypoints.known, np.arange(len(keypoints))[:, None, None]
    before = np.maximum.accumulate(np.where(known, times, -1), axis=0)
    after = np.minimum.accumulate(np.where(known, times, len(keypoints))[::-1], axis=0)[::-1]
    gap = ~known & (before >= 0) & (after < len(keypoints)) & (after - before - 1 <= longest)
    share = (times - before) / np.maximum(after - before, 1)
    last = len(keypoints) - 1

    def between(values: Array) -> Array:
        one, other = (
            np.take_along_axis(values, each.clip(0, last).reshape(each.shape + (1,) * (values.ndim - 3)), axis=0)
            for each in (before, after)
        )
        part = share.reshape(share.shape + (1,) * (values.ndim - 3))
        return np.where(gap.reshape(part.shape), (1 - part) * one + part * other, values)

    return replace(keypoints, points=between(keypoints.points), scores=between(keypoints.scores))


def one_euro(keypoints: Keypoints, cutoff: float, beta: float) -> Keypoints:
    """The One Euro filter (Casiez, Roussel and Vogel 2012), run forward and backward and averaged.

    ``cutoff`` in Hz: of what rests, less steadies more. ``beta`` in Hz per (pixel of `UNIT` per second): how far the
    cutoff rises with speed, more lags less. A filter for live input can only lag; here the whole clip is there, and
    the lag of one direction is the lead of the other. Each joint starts anew where it comes into sight.
    """
    points = keypoints.points / (min(keypoints.size) / UNIT)
    rate = float(keypoints.rate)
    forward = _one_euro(points, rate, cutoff, beta)
    backward = _one_euro(points[::-1], rate, cutoff, beta)[::-1]
    return replace(keypoints, points=(forward + backward) / 2 * (min(keypoints.size) / UNIT))


DERIVATIVE_CUTOFF = 1.0
"""Hz, of the speed by which the cutoff is chosen: the paper's own."""


def _one_euro(points: Array, rate: float, cutoff: float, beta: float) -> Array:
    """In one direction, over the first axis, all joints at once."""
    smooth = points.copy()
    speed = np.zeros(points.shape[1:])
    for now in range(1, len(points)):
        previous = smooth[now - 1]
        step = (points[now] - points[now - 1]) * rate
        speed = np.where(np.isfinite(step), speed + _alpha(DERIVATIVE_CUTOFF, rate) * (step - speed), 0.0)
        # One cutoff for x and y, by the speed along the path, or a turn would bend it.
        fast = np.linalg.norm(speed, axis=-1, keepdims=True)
        moved = previous + _alpha(cutoff + beta * fast, rate) * (points[now] - previous)
        smooth[now] = np.where(np.isfinite(previous), moved, points[now])
    return smooth


def _alpha(cutoff: NDArray[np.float64] | float, rate: float) -> NDArray[np.float64]:
    """The weight of the new value in exponential smoothing with a cutoff in Hz (eq. 3 and 6 there)."""
    return np.asarray(1.0 / (1.0 + rate / (2 * np.pi * cutoff)))


def savgol(keypoints: Keypoints) -> Keypoints:
    """The Savitzky-Golay filter (1964), on each stretch of frames in which a joint is known."""
    from scipy.signal import savgol_filter

    smooth = keypoints.points.copy()
    for person, joint in np.ndindex(keypoints.known.shape[1:]):
        edges = np.flatnonzero(np.diff(np.pad(keypoints.known[:, person, joint].astype(int), 1)))
        for start, stop in edges.reshape(-1, 2):
            window = min(WINDOW, (stop - start - 1) // 2 * 2 + 1)  # odd, and no longer than the stretch
            if window > ORDER:
                stretch = smooth[start:stop, person, joint]
                smooth[start:stop, person, joint] = savgol_filter(stretch, window, ORDER, axis=0, mode="interp")
    return replace(keypoints, points=smooth)


def jitter(keypoints: Keypoints) -> float:
    """Mean length of the joints' second differences, in pixels per frame squared; NaN where there are none."""
    second = np.diff(keypoints.points, n=2, axis=0)
    lengths = np.linalg.norm(second, axis=-1)
    known = np.isfinite(lengths)
    return float(lengths[known].mean()) if known.any() else float("nan")
