"""Starting noise that moves with the clip, cell by cell along its optical flow."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from vedit.backbone.model import Backbone
from vedit.clip.sizes import Size
from vedit.errors import ConfigError
from vedit.flow import Flow, centres, nearest, tracks
from vedit.part import Need
from vedit.priors import Prior, PriorInputs, Start
from vedit.sampling import noise


class FlowWarped(Prior):
    """Gaussian noise carried along the flow, whole cells at a time.

    Warping noise by interpolation would blur it, and a model expects it white. So each cell of a frame is traced back
    to the first frame in which what it shows is seen, and takes the noise of the nearest cell there, unchanged. Where
    it appears for the first time, and where another cell has taken that noise already, it has noise of its own, keyed
    by (seed, frame). No draw is in a frame twice: every frame is white and Gaussian, exactly.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({"flow"})

    def start(self, backbone: Backbone, given: PriorInputs) -> Start:
        """Raises ConfigError without a flow, and for the flow of another clip."""
        frames, channels, height, width = given.latents.shape
        if given.flow is None or len(given.flow) != frames:
            found = "none was given" if given.flow is None else f"one of {len(given.flow)} frames was given"
            raise ConfigError(
                f"the prior flow_warped needs the flow of the clip's {frames} frames, and {found}; "
                "use flow=vedit.flow.estimate_flow(frames)."
            )
        fresh = noise(given.seed, frames, (channels, height, width))
        drawn = fresh.permute(0, 2, 3, 1).reshape(-1, channels)
        taken = drawn[sources(given.flow, (height, width))]
        return Start(taken.view(frames, height, width, channels).permute(0, 3, 1, 2).contiguous().to(backbone.device))


def sources(flow: Flow, cells: Size) -> Tensor:
    """The index of the noise that each cell of a grid (h, w) takes: (F, h w), into the fresh noise of all frames'
    cells.

    Depends only on the frames up to its own.
    """
    count = cells[0] * cells[1]
    found = tracks(flow, cells)
    near = nearest(found.positions, cells)
    gap = (found.positions - centres(cells, cells).reshape(count, 2)[near]).square().sum(-1)
    own = torch.arange(len(flow) * count).view(len(flow), count)
    shown = own.clone()
    every = torch.arange(count)
    for frame in range(1, len(flow)):
        first = found.seen[frame, : frame + 1].int().argmax(0)  # once lost, a cell stays lost
        wanted = shown[first, near[frame, first, every]]
        # Of several cells that come from one, the nearest takes its noise.
        rank = gap[frame, first, every].argsort(stable=True).argsort()
        best = torch.full((len(flow) * count,), count).scatter_reduce(0, wanted, rank, "amin")
        shown[frame] = torch.where(best[wanted] == rank, wanted, own[frame])
    return shown
