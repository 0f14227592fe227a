"""Starting noise that has been a little way towards a picture, moved there, and back: the motion of Text2Video-Zero."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from vedit.backbone.model import Backbone
from vedit.errors import ConfigError
from vedit.flow import first_seen, nearest
from vedit.mapped import let_go, room_for
from vedit.part import Need
from vedit.priors import Prior, PriorInputs, Start
from vedit.prompt import Prompt
from vedit.sampling.denoising import denoise, noise
from vedit.sampling.guiders import Unguided
from vedit.schedule import Schedule

WAY = 0.06
"""Share of the steps that the first frame goes towards its picture and the others come back: 3 of 50."""

SMOOTHED = 0.6
"""How much more of the first frame the background takes, where strokes say what lies before it: 0 nothing more, 1 all
of it."""


LEAST = 0.5
"""Of the first frame's moved latents, that is left in the others at the least: with few steps, or where a schedule ends
in noise alone, they would have nothing in common."""


class Bounce(Prior):
    """The first frame is denoised a few steps, its latents are moved along the flow to every other frame, and each of
    these is brought back to pure noise by noise of its own.

    So frames begin with the same coarse layout, moved as the flow has it, and are free in what moves in itself. The
    flow may be that of a camera alone. Where strokes hold something, the rest is background, and is smoothed: it takes
    more of the first frame, and less noise of its own. What comes into view has noise of its own alone.

    Here variances are kept where the paper mixes latents plainly, which would leave the background too little noise;
    places come from the nearest cell; and the first frame's steps take the prompt without guidance.

    Source: Text2Video-Zero, Khachatryan et al. 2023, section 3.3.1 (motion dynamics, there along a global translation)
    and section 3.3.3 (background smoothing, alpha 0.6).
    """

    needs: ClassVar[frozenset[Need]] = frozenset({"flow"})
    heeds_things: ClassVar[bool] = True

    @torch.no_grad()
    def start(self, backbone: Backbone, given: PriorInputs) -> Start:
        """Raises ConfigError without a flow, and for the flow of another clip."""
        frames, channels, height, width = given.latents.shape
        if given.flow is None or len(given.flow) != frames:
            found = "none was given" if given.flow is None else f"one of {len(given.flow)} frames was given"
            raise ConfigError(f"the prior bounce needs the flow of {frames} frames, and {found}.")
        fresh = noise(given.seed, frames, (channels, height, width))
        way = first_steps(given.schedule, max(1, round(WAY * len(given.schedule))))
        # The first frame by itself, whatever the frames look at when they are sampled.
        with backbone.attending("per_frame"):
            near = denoise(backbone, fresh[:1].to(backbone.device), way, Unguided(Prompt(given.text)))[0]
        near = near / near.std().clamp(min=1e-6)  # noise has a variance of 1, whatever the model makes of it
        share = kept_of_first(way, given.things)
        made, carried = room_for(fresh.shape), near.cpu().flatten(1)
        for cut, first, places in first_seen(given.flow, (height, width)):
            moved = carried[:, nearest(places, (height, width))].unflatten(2, (height, width)).transpose(0, 1)
            some = share[cut] if share.ndim else share
            back = some * moved + (1 - some.square()).sqrt() * fresh[cut]  # (F', C, h, w)
            made[cut] = torch.where((first == 0).unflatten(1, (1, height, width)), back, fresh[cut])
            let_go(made, fresh)
        made[0] = fresh[0]
        return Start(made.to(backbone.device))


def first_steps(schedule: Schedule, count: int) -> Schedule:
    """The first ``count`` steps of a schedule."""
    return replace(schedule, timesteps=schedule.timesteps[:count], levels=schedule.levels[: count + 1])


def kept_of_first(way: Schedule, things: Tensor | None) -> Tensor:
    """How much of the moved latents is left once they are back at the first of these steps' levels: () or (F, 1, h, w).

    Args:
        way: the steps that were gone
        things: (F, 1, h, w) bool, what lies before the background; None where nothing is known of it, or nothing does
    """
    # Of a diffusion's step forwards, Ho et al. 2020, eq. 4. Where it ends in noise alone, nothing would be left.
    signal = way.levels.signal
    back = (signal[0] / signal[-1]).clamp(min=LEAST)
    if things is None or not bool(things.any()):
        return back
    mixed = SMOOTHED + (1 - SMOOTHED) * back
    smoothed = mixed / torch.hypot(mixed, (1 - SMOOTHED) * (1 - back.square()).sqrt())
    return torch.where(things, back, smoothed)
