"""A way into a prediction, as a third party would write one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vedit.entrances import Entrance
from vedit.request import Request


@dataclass(frozen=True, eq=False)
class Fade(Entrance):
    """The prompt fades into the one guided away from, in each frame as far as its strength says."""

    def enter(self, request: Request, strength: Tensor) -> Request:
        text = request.text
        if text.ndim == 3:  # the same in all frames
            text = text[:, None].expand(-1, len(strength), -1, -1)
        faded = torch.lerp(text[-1], text[0], strength.to(text)[:, None, None])
        return replace(request, text=torch.cat([text[:-1], faded[None]]))
