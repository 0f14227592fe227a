"""What the layers inside the UNet must know of the step that is running."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from vedit.attention.kernels import Kernel, weights
from vedit.attention.kinds import AttentionKind


@dataclass
class Watch:
    """Keeps where attention goes in the layers of so many ``places`` (h w), while it is on.

    words: of each such layer, (N F, places, T), how much each place looks at each token of the prompt, mean over heads
    own: (N F, places, S), how much it looks at the places that the attention kind shows it
    """

    places: int
    words: list[Tensor] = field(default_factory=list)
    own: list[Tensor] = field(default_factory=list)

    def see(self, query: Tensor, key: Tensor, *, words: bool) -> None:
        """Of one layer, ``query`` (B, heads, T, d) and ``key`` (B, heads, S, d)."""
        if query.shape[2] == self.places:
            (self.words if words else self.own).append(weights(query, key).mean(1))

    def forget(self, layers: int) -> None:
        """All but the first so many layers that were seen."""
        del self.words[layers:], self.own[layers:]


@dataclass
class StepContext:
    """One per backbone, shared by its processors and hooks. ``Backbone.predict`` sets ``frames`` and clears it."""

    kind: AttentionKind
    kernel: Kernel
    frames: int = 1
    inject: bool = False
    """Whether the first branch is the source, whose queries, keys and features the others take over."""
    emphasis: Tensor | None = None
    """(N F, T) how much each token of the prompt counts in the UNet's cross-attention; None where all count alike."""
    motion: Tensor | None = None
    """(F,) how much the layers over time count in each frame; None where they do as they were trained."""
    watch: Watch | None = None
    """Who wants to know where attention goes, if anyone does."""

    def moved(self, before: Tensor, after: Tensor) -> Tensor:
        """What a layer over time makes of (N F, ...), as much as it counts in each frame; the source is as it was."""
        if self.motion is None:
            return after
        shares = self.motion.to(after).repeat(len(after) // self.frames)
        if self.inject:
            shares[: self.frames] = 1
        return torch.lerp(before, after, shares.view(-1, *[1] * (after.ndim - 1)))

    def lend(self, tensor: Tensor) -> Tensor:
        """While injecting, the first branch's part of (N F, ...) for every branch; else the tensor as it is."""
        if not self.inject:
            return tensor
        branches = len(tensor) // self.frames
        return tensor[: self.frames].repeat(branches, *[1] * (tensor.ndim - 1))
