"""Guidance by ControlNet: an annotator's pictures of the clip steer where things go (Zhang et al. 2023)."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from vedit import timeline
from vedit.annotators import Annotator
from vedit.backbone.model import Backbone
from vedit.clip import Clip
from vedit.condition import Condition
from vedit.conditioners import Conditioner
from vedit.config import MAX_CONTROL_WEIGHT, ControlSettings
from vedit.config.merge import make_part
from vedit.entrances.residuals import AddResiduals
from vedit.errors import ConfigError
from vedit.timeline import Moments


class Control(Conditioner):
    """One annotator and the ControlNet that reads its pictures."""

    Options = ControlSettings

    def __init__(self, options: ControlSettings | None = None) -> None:
        super().__init__(options or ControlSettings(kind="edge"))

    def settle_weights(self, moments: Moments) -> None:
        """Turn a weight that is a timeline into one weight for each frame. Raises ConfigError where it has no value,
        and where weights are given for another number of frames."""
        weight = self.options.weight
        if isinstance(weight, str):
            weights = timeline.read(weight).values(moments, low=0, high=MAX_CONTROL_WEIGHT)
            self.options = self.options.model_copy(update={"weight": tuple(weights)})
        elif isinstance(weight, tuple) and len(weight) != moments.frames:
            raise ConfigError(
                f"control {self.options.kind}: {len(weight)} weights for {moments.frames} frames; give one for each."
            )

    def prepare(self, clip: Clip) -> Tensor:
        """Control pictures (F, 3, H, W) in [0, 1] at the clip's size. Raises what annotating or reading a file does."""
        self.settle_weights(Moments(len(clip), clip.rate))
        file = self.options.file
        annotator: Annotator = make_part("annotators", self.options.kind, self.options.options)
        return (annotator.annotate(clip) if file is None else annotator.read(file, clip)).frames

    def condition(self, prepared: Tensor, backbone: Backbone) -> Condition:
        """Raises WeightsError where no ControlNet fits the model."""
        from vedit.backbone.control import load_controlnet  # with diffusers, which takes seconds to import

        net = load_controlnet(self.options.kind, self.options.net, backbone)
        weight = self.options.weight
        envelope = torch.tensor(weight) if isinstance(weight, tuple) else torch.full((len(prepared),), weight)
        return Condition(AddResiduals(partial(net, prepared)), envelope, self.options.start, self.options.stop)
