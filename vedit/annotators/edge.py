"""Edges by Canny's method, white on black, with one pair of thresholds for the whole clip."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor

from vedit.annotators import CPU, Annotation, FrameByFrame
from vedit.clip import Clip
from vedit.clip.lazy import LazyClip
from vedit.config import Settings
from vedit.otsu import otsu_bin

STEEPEST = 1443
"""The largest magnitude of 3x3 Sobel gradients of 8-bit numbers, and one."""

FAINTEST = 20.0
"""The least threshold that is chosen: a step of 5 of 255 levels, unblurred. Below it lie noise and what compression
leaves in flat surfaces, of which a clip that shows nothing else would otherwise be full."""

Gradients = tuple[NDArray[np.int16], NDArray[np.int16]]
"""Along x and along y, each (H, W, 3)."""


class Edge(FrameByFrame):
    """Edges, by OpenCV's Canny on colour, each pixel by its steepest channel, as SD's canny ControlNets were trained.

    Thresholds that are not given are Otsu's (1979), on the histogram of the gradients of all frames: ``low`` divides
    the flat from the steep, and ``high`` divides the steep once more. So an edge must begin where it is among the
    clip's steepest and may go on where it is merely steep: an object's outline is drawn, its ground's texture is not,
    and since all frames share the thresholds, lines do not flicker. (To take Otsu's for ``high`` is the idea of Fang,
    Yue and Yu 2009, whose ``low`` is half of it; on textured grounds that draws the texture.)
    """

    class Options(Settings):
        """Thresholds are magnitudes of 3x3 Sobel gradients of 8-bit numbers, as in OpenCV."""

        low: float | None = Field(None, ge=0, le=2000, description="Where an edge may go on; by default by the clip.")
        high: float | None = Field(None, ge=0, le=2000, description="Where an edge may begin; by default by the clip.")
        blur: float = Field(1.0, ge=0, le=20, description="Sigma of a Gaussian blur before, in pixels; 0 is none.")

        @model_validator(mode="after")
        def _ordered(self) -> Self:
            if self.low is not None and self.high is not None and self.low > self.high:
                raise ValueError(f"low is {self.low:g} and high {self.high:g}; expected low to be the smaller")
            return self

    options: Options

    def annotate(self, clip: Clip | LazyClip, device: torch.device = CPU) -> Annotation:
        import cv2

        low, high = self.thresholds(clip)

        def draw(frame: Tensor) -> Tensor:
            lines = cv2.Canny(*self._gradients(frame), low, high, L2gradient=True)
            return torch.from_numpy(lines).float().div_(255.0).repeat(3, 1, 1)

        return Annotation(LazyClip.of(clip).mapped(draw))

    def thresholds(self, clip: Clip | LazyClip) -> tuple[float, float]:
        """Low and high for a clip. One that is given is kept, and the other gives way so that low is not above high."""
        low, high = self.options.low, self.options.high
        if low is not None and high is not None:
            return low, high
        steep, steepest = choose_thresholds(self._gradients(frame) for frame in LazyClip.of(clip).frames)
        if low is not None:
            return low, max(low, steepest)
        return (steep, steepest) if high is None else (min(steep, high), high)

    def _gradients(self, frame: Tensor) -> Gradients:
        """Of one frame (3, H, W) in [0, 1]."""
        import cv2

        pixels = frame.detach().cpu().clamp(0.0, 1.0).mul(255.0).round().byte().permute(1, 2, 0).contiguous().numpy()
        if self.options.blur:
            pixels = cv2.GaussianBlur(pixels, (0, 0), self.options.blur, borderType=cv2.BORDER_REPLICATE)
        along_x = cv2.Sobel(pixels, cv2.CV_16S, 1, 0, borderType=cv2.BORDER_REPLICATE)
        along_y = cv2.Sobel(pixels, cv2.CV_16S, 0, 1, borderType=cv2.BORDER_REPLICATE)
        return along_x, along_y  # type: ignore[return-value]  # OpenCV's stubs know no element types


def choose_thresholds(gradients: Iterable[Gradients]) -> tuple[float, float]:
    """Low and high of the frames whose gradients these are, by Otsu's method twice; at least ``FAINTEST``."""
    counts = np.zeros(STEEPEST, np.int64)
    for along_x, along_y in gradients:
        steepness = np.hypot(along_x.astype(np.float32), along_y.astype(np.float32)).max(axis=2)
        counts += np.bincount(steepness.astype(np.int64).ravel(), minlength=STEEPEST)
    steep = otsu_bin(counts)
    steepest = steep + otsu_bin(counts[steep:])
    return max(FAINTEST, float(steep)), max(FAINTEST, float(steepest))
