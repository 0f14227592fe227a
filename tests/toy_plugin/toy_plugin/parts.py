"""An annotator and a conditioner, as a third party would write them."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from vedit.annotators import CPU, Annotation, Annotator
from vedit.backbone.model import Backbone
from vedit.clip import Clip
from vedit.condition import Condition
from vedit.conditioners import Conditioner
from vedit.config import Settings
from vedit.entrances.residuals import AddResiduals, Residuals
from vedit.request import Timestep


class Negative(Annotator):
    """Each picture's negative."""

    class Options(Settings):
        strength: float = Field(1.0, ge=0, le=1)

    options: Options

    def annotate(self, clip: Clip, device: torch.device = CPU) -> Annotation:
        return Annotation(clip.frames + self.options.strength * (1 - 2 * clip.frames))


class RampOptions(Settings):
    strength: float = Field(1.0, ge=0, le=100)


class Ramp(Conditioner):
    """Adds to the middle of the UNet what grows from the first frame to the last."""

    Options = RampOptions

    def prepare(self, clip: Clip) -> Tensor:
        return torch.linspace(0, self.options.strength, len(clip))

    def condition(self, prepared: Tensor, backbone: Backbone) -> Condition:
        channels = backbone.unet.config.block_out_channels

        def residuals(x: Tensor, t: Timestep, text: Tensor) -> Residuals:
            mid = torch.ones(len(text) * len(x), channels[-1], 1, 1)
            silence = mid.new_zeros(len(mid), 1, 1, 1)
            return Residuals((silence,) * _skips(backbone), mid)

        return Condition(AddResiduals(residuals), prepared)


def _skips(backbone: Backbone) -> int:
    config = backbone.unet.config
    levels = len(config.block_out_channels)
    return 1 + levels * config.layers_per_block + levels - 1
