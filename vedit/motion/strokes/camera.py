"""The camera of a strokes file: pan, zoom and turn as one affine map for each frame."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vedit import timeline
from vedit.clip.sizes import Size
from vedit.config import Varying
from vedit.config.fields import Range
from vedit.errors import ConfigError, VeditWarning
from vedit.motion.strokes.fields import PAN
from vedit.motion.strokes.moments import FileMoments
from vedit.motion.strokes.scale import Scale

if TYPE_CHECKING:
    from vedit.motion.strokes.schema import Camera

Array = NDArray[np.float64]

LEAST_ZOOM = 1e-3
"""Of all frames; and of how much larger they may become, the inverse."""

SEAM = 2.0
"""How many times its largest step a looping camera may jump where it begins again."""


def camera_of(camera: Camera, scale: Scale, moments: FileMoments, loop: bool) -> Array:
    """(F, 2, 3): the pixel coordinates of frame 0 to those of each frame. The first is the identity.

    A point x goes to c + zoom R(turn) (x - c) + pan, about the centre c. Raises ConfigError for a timeline without a
    value.
    """
    ranges = camera.ranges()

    def values(varying: Varying, between: Range) -> Array:
        return _values(varying, between, moments, camera.per, loop)

    pan = np.stack([values(each, PAN) for each in camera.pan], -1) * scale.factors
    zoom = np.exp(_values(camera.zoom, ranges["zoom"], moments, camera.per, loop, logarithm=True))
    if not (zoom.min() >= LEAST_ZOOM and zoom.max() <= 1 / LEAST_ZOOM):
        frame = int(np.abs(np.log(zoom)).argmax())
        raise ConfigError(
            f"camera: its zoom comes to {zoom[frame]:.3g} in frame {frame}; expected {LEAST_ZOOM:g} to "
            f"{1 / LEAST_ZOOM:g} in all: zoom more slowly, or over fewer frames."
        )
    turn = np.radians(values(camera.turn, ranges["turn"]))
    height, width = scale.size
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    centre = middle if camera.centre is None else scale.points((camera.centre,))[0]
    cosine, sine = zoom * np.cos(turn), zoom * np.sin(turn)
    maps = np.zeros((moments.frames, 3, 3))
    maps[:, 0, 0], maps[:, 0, 1], maps[:, 1, 0], maps[:, 1, 1] = cosine, -sine, sine, cosine
    maps[:, :2, 2] = centre + pan - maps[:, :2, :2] @ centre
    maps[:, 2, 2] = 1.0
    found: Array = (maps @ np.linalg.inv(maps[0]))[:, :2]
    if loop:
        _tell_of_seam(found, scale.size)
    return found


def _values(
    varying: Varying, between: Range, moments: FileMoments, per: str, loop: bool, *, logarithm: bool = False
) -> Array:
    """(F,) what a setting has come to in each frame, or its logarithm where it multiplies.

    Per clip, a number is reached evenly by the end (in a loop half-way, and left again), and a timeline is where the
    picture is. Per second both are speeds, summed up to each frame.
    """
    line = timeline.read(varying)
    numbers = np.array(line.values(moments, low=between.low, high=between.high))
    numbers = np.log(numbers) if logarithm else numbers
    if per == "second":
        return np.concatenate([[0.0], np.cumsum(numbers[:-1])]) / float(moments.rate)
    if line.constant is None:
        return numbers
    share = np.arange(moments.frames) / moments.end if moments.end else np.zeros(moments.frames)
    share = (1 - np.cos(2 * np.pi * share)) / 2 if loop else share.clip(0, 1)
    return numbers * share


def _tell_of_seam(maps: Array, size: Size) -> None:
    """Warn where a looping camera jumps from the last frame to the first."""
    height, width = size
    corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]], np.float64)
    places = np.einsum("fij,nj->fni", maps, corners)
    steps = np.linalg.norm(np.diff(places, axis=0, append=places[:1]), axis=-1).max(1)
    if len(steps) > 2 and steps[-1] > SEAM * steps[:-1].max() + 0.5:
        warnings.warn(
            f"the camera moves by {steps[-1]:.0f} pixels from the last frame to the first, so the loop shows a jump; "
            "let it come back.",
            VeditWarning,
            stacklevel=2,
        )
