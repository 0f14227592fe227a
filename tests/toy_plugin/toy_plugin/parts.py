"""An annotator and conditioners, as a third party would write them."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from toy_plugin.entrances import Fade
from vedit.annotators import CPU, Annotation, Annotator
from vedit.backbone.model import Backbone
from vedit.clip import Clip
from vedit.condition import Condition
from vedit.conditioners import Conditioner
from vedit.config import Settings, Varying, varying
from vedit.entrances.residuals import AddResiduals, Residuals
from vedit.request import Timestep
from vedit.timeline import Moments


class Negative(Annotator):
    """Each picture's negative."""

    class Options(Settings):
        strength: float = Field(1.0, ge=0, le=1, description="1 turns it all, 0.5 leaves grey.")

    options: Options

    def annotate(self, clip: Clip, device: torch.device = CPU) -> Annotation:
        return Annotation(clip.frames + self.options.strength * (1 - 2 * clip.frames))


class Ramp(Conditioner):
    """Adds to the middle of the UNet what grows from the first frame to the last."""

    class Options(Settings):
        strength: float = Field(1.0, ge=0, le=100, description="What it has grown to in the last frame.")

    options: Options

    def prepare(self, clip: Clip | None, moments: Moments) -> Tensor:
        return torch.linspace(0, self.options.strength, moments.frames)

    def condition(self, prepared: Tensor, backbone: Backbone) -> Condition:
        channels = backbone.unet.config.block_out_channels

        def residuals(x: Tensor, t: Timestep, text: Tensor, frames: slice) -> Residuals:
            mid = torch.ones(len(text) * len(x), channels[-1], 1, 1)
            silence = mid.new_zeros(len(mid), 1, 1, 1)
            return Residuals((silence,) * _skips(backbone), mid)

        return Condition(AddResiduals(residuals), prepared)


class Fading(Conditioner):
    """The prompt comes and goes, in time or with the sound."""

    class Options(Settings):
        strength: Annotated[Varying, varying(0, 1)] = Field(1.0, description="How far it has faded.")

    options: Options

    def prepare(self, clip: Clip | None, moments: Moments) -> Tensor:
        return torch.tensor(self.options.per_frame("strength", moments))

    def condition(self, prepared: Tensor, backbone: Backbone) -> Condition:
        return Condition(Fade(), prepared)


def _skips(backbone: Backbone) -> int:
    config = backbone.unet.config
    levels = len(config.block_out_channels)
    return 1 + levels * config.layers_per_block + levels - 1
