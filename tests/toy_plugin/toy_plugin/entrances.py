"""A way into a prediction, as a third party would write one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vedit.entrances import Entrance
from vedit.prompt import Prompt
from vedit.request import Request


@dataclass(frozen=True, eq=False)
class Fade(Entrance):
    """The prompt fades into the one guided away from, in each frame as far as its strength says."""

    def enter(self, request: Request, strength: Tensor) -> Request:
        states = request.prompt.states
        if states.ndim == 3:  # the same in all frames
            states = states[:, None].expand(-1, len(strength), -1, -1)
        faded = torch.lerp(states[-1], states[0], strength.to(states)[:, None, None])
        prompt = Prompt(torch.cat([states[:-1], faded[None]]), request.prompt.weights)
        return replace(request, prompt=prompt)
