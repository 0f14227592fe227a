"""Further channels of the UNet's input, for checkpoints that take a picture beside the noisy latents."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from vedit.entrances import Entrance
from vedit.request import Request


@dataclass(frozen=True, eq=False)
class InputChannels(Entrance):
    """Channels beside the latents, in each frame times their strength. Those of several conditions follow each other.

    Where nothing is given, the UNet sees zeros, which InstructPix2Pix is trained to take for no picture.

    Source: InstructPix2Pix, Brooks et al. 2023, section 3.2; inpainting, Rombach et al. 2022, section 4.5.

    Attributes:
        channels: (F, C', h, w), at the size of the latents
    """

    channels: Tensor

    holds_for_source: ClassVar[bool] = True

    def enter(self, request: Request, strength: Tensor) -> Request:
        own = self.channels.to(request.latents) * strength.to(request.latents).view(-1, 1, 1, 1)
        there = [] if request.channels is None else [request.channels]
        return replace(request, channels=torch.cat([*there, own], dim=1))
