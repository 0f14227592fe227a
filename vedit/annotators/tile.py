"""A picture without its details, for a ControlNet that draws them anew."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from vedit.annotators import CPU, Annotation, FrameByFrame
from vedit.clip import Clip
from vedit.clip.lazy import LazyClip
from vedit.clip.sizes import resize
from vedit.config import Settings


class Tile(FrameByFrame):
    """The frames themselves, made smaller and as large again, so that only their details are open.

    Source: ControlNet 1.1's tile model, Zhang et al. 2023.
    """

    class Options(Settings):
        """How much is left open."""

        times: float = Field(2.0, ge=1, le=16, description="How many times smaller a frame is made.")

    options: Options

    def annotate(self, clip: Clip | LazyClip, device: torch.device = CPU) -> Annotation:
        return Annotation(LazyClip.of(clip).mapped(lambda frame: without_details(frame, self.options.times)))


def without_details(frame: Tensor, times: float) -> Tensor:
    """A frame (3, H, W) in [0, 1] made so many times smaller, and as large again."""
    height, width = int(frame.shape[1]), int(frame.shape[2])
    small = max(1, round(height / times)), max(1, round(width / times))
    return resize(resize(frame[None], small), (height, width))[0]
