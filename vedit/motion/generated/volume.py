"""Flow volumes: how far the parts of a picture move in each frame, on a coarse grid, and what of it moves as things."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from vedit.clip.sizes import Size
from vedit.motion.grid import resized

CHANNELS = 3
"""Of a volume as the network has it: x, y, and what moves as a thing."""

COVERED = 0.3
"""Share of a cell that a thing covers from which on the cell moves with it."""


@dataclass(frozen=True, eq=False)
class FlowVolume:
    """The motion of a picture in F frames, on h x w cells.

    LFDM has for each pixel of each frame where it comes from, and whether it is seen. Here each cell of the picture
    says where it goes: things then stay on their own cells, where the picture shows them, and which lies in front is
    known.

    Attributes:
        moved: (F, 2, h, w) how far (x, y), as a share of the picture's longer side
        held: (h, w) how much of each cell belongs to things that move in front of the ground, 0 to 1
    """

    moved: Tensor
    held: Tensor

    @classmethod
    def of(cls, moved: Tensor, held: Tensor, cells: Size) -> FlowVolume:
        """From the motion (F, 2, H, W) of pixels, in pixels, of which things hold some (H, W), 0 to 1.

        A cell moves as its part of a thing does, or as the ground: a mean of both would be neither's motion.
        """
        longer = max(moved.shape[2:])
        share = resized(held[None, None].float(), cells)  # (1, 1, h, w)
        own, ground = (
            resized(moved * weight, cells) / resized(weight.float()[None, None], cells).clamp(min=1e-6)
            for weight in (held.float(), 1 - held.float())
        )
        return cls(torch.where(share >= COVERED, own, ground) / longer, share[0, 0])

    @classmethod
    def unpacked(cls, tensor: Tensor, scale: float) -> FlowVolume:
        """What ``packed`` made a tensor of."""
        return cls(tensor[:, :2] / scale, (tensor[:, 2].mean(0) / 2 + 0.5).clamp(0, 1))

    def packed(self, scale: float) -> Tensor:
        """(F, 3, h, w) as the network has it: motion times ``scale``, and what is held in [-1, 1]."""
        held = (2 * self.held - 1).expand(len(self.moved), 1, *self.held.shape)
        return torch.cat([self.moved * scale, held], dim=1)

    def stretched(self, frames: int) -> FlowVolume:
        """The same motion in another number of frames, from the first to the last."""
        if frames == len(self.moved):
            return self
        if frames == 1:
            return FlowVolume(self.moved[:1], self.held)
        flat = self.moved.flatten(1).T[None]  # (1, 2 h w, F)
        found = F.interpolate(flat, size=frames, mode="linear", align_corners=True)[0].T
        return FlowVolume(found.unflatten(1, self.moved.shape[1:]), self.held)


def grid_of(size: Size, cells: int) -> Size:
    """The cells (h, w) of a picture of ``size`` (H, W), so many along its longer side: even numbers, which the network
    halves."""
    height, width = (max(2, 2 * round(cells * side / max(size) / 2)) for side in size)
    return height, width
