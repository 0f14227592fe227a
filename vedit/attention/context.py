"""What the layers inside the UNet must know of the step that is running."""

from __future__ import annotations

from dataclasses import dataclass

from vedit.attention.kernels import Kernel
from vedit.attention.kinds import AttentionKind


@dataclass
class StepContext:
    """One per backbone, shared by its processors and hooks. ``Backbone.predict`` sets ``frames`` and clears it."""

    kind: AttentionKind
    kernel: Kernel
    frames: int = 1
