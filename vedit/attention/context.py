"""What the layers inside the UNet must know of the step that is running."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from vedit.attention.kernels import Kernel
from vedit.attention.kinds import AttentionKind


@dataclass
class StepContext:
    """One per backbone, shared by its processors and hooks. ``Backbone.predict`` sets ``frames`` and clears it."""

    kind: AttentionKind
    kernel: Kernel
    frames: int = 1
    inject: bool = False
    """Whether the first branch is the source, whose queries, keys and features the others take over."""

    def lend(self, tensor: Tensor) -> Tensor:
        """While injecting, the first branch's part of (N F, ...) for every branch; else the tensor as it is."""
        if not self.inject:
            return tensor
        branches = len(tensor) // self.frames
        return tensor[: self.frames].repeat(branches, *[1] * (tensor.ndim - 1))
