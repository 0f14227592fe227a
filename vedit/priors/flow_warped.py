"""Starting noise that moves with the clip, cell by cell along its optical flow."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from vedit.backbone.model import Backbone
from vedit.clip.sizes import Size
from vedit.errors import ConfigError
from vedit.flow import Flow, centres, first_seen, nearest
from vedit.mapped import in_chunks, let_go, room_for
from vedit.part import Need
from vedit.priors import Prior, PriorInputs, Start
from vedit.sampling.denoising import noise


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
        taken, drawn, count = room_for(fresh.shape), fresh.flatten(2), height * width
        origins = sources(given.flow, (height, width))
        for cut in in_chunks(frames, fresh, taken, origins):
            for frame in range(cut.start, cut.stop):
                cells = drawn[origins[frame] // count, :, origins[frame] % count]  # (h w, C)
                taken[frame] = cells.T.unflatten(1, (height, width))
        return Start(taken.to(backbone.device))


def sources(flow: Flow, cells: Size) -> Tensor:
    """The index of the noise that each cell of a grid (h, w) takes: (F, h w), into the fresh noise of all frames'
    cells.

    Depends only on the frames up to its own.
    """
    count = cells[0] * cells[1]
    shown, every, middle = room_for((len(flow), count), torch.int64), torch.arange(count), centres(cells, cells)
    for cut, first, places in first_seen(flow, cells):
        near = nearest(places, cells)
        gap = (places - middle.reshape(count, 2)[near]).square().sum(-1)
        for row, frame in enumerate(range(cut.start, cut.stop)):
            shown[frame] = own = frame * count + every
            wanted = shown[first[row], near[row]]
            # Of several cells that come from one, the nearest takes its noise.
            rank = gap[row].argsort(stable=True).argsort()
            _, which = wanted.unique(return_inverse=True)
            best = torch.full((count,), count).scatter_reduce(0, which, rank, "amin")
            shown[frame] = torch.where(best[which] == rank, wanted, own)
        let_go(shown)
    return shown
