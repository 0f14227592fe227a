"""What a stage takes, before it is made: passes through networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Network = Literal["unet", "outermost", "learning", "controlnet", "vae encoder", "vae decoder"]
"""What runs; "outermost" are the UNet's outermost layers alone, and "learning" is the UNet with its backward pass and
the optimizer's step."""


@dataclass(frozen=True)
class Work:
    """A network run on the frames of a clip.

    Attributes:
        network: which one
        what: what it is for, as a user reads it: "inversion steps"
        times: how often
        branches: of guidance, together in one run
        progress: the name under which progress tells of it; empty where it is not told
        doubtful: whether it may turn out not to be needed
        share: of the frames, how many it runs on: 1 is all
        frames: how many it runs on each time, one by one or where they lie in no windows; None for the clip's
        part: which of several ControlNets, as (kind, name); None for other networks
        blocks: of the UNet that learn
    """

    network: Network
    what: str
    times: int
    branches: int = 1
    progress: str = ""
    doubtful: bool = False
    share: float = 1.0
    frames: int | None = None
    part: tuple[str, str | None] | None = None
    blocks: Literal["all", "up"] = "all"


LEARNING = 2
"""Passes that one step of learning is worth: the way back takes as long as the way there."""

OUTERMOST = 0.27
"""Passes that a run of the outermost layers alone is worth, of Stable Diffusion 1.5 at 512 pixels."""


def passes(work: Work, frames: int) -> float:
    """UNet passes over all so many ``frames`` of a clip that are as long, a branch counted as one: the unit of
    progress."""
    share = work.share if work.frames is None else work.frames / frames
    worth = {"unet": 1, "outermost": OUTERMOST, "learning": LEARNING}.get(work.network, 0)
    return worth * work.times * work.branches * share
