"""Guidance by ControlNet: an annotator's pictures of the clip steer where things go (Zhang et al. 2023)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from vedit.annotators import ANNOTATORS
from vedit.backbone.model import Backbone
from vedit.clip import Clip
from vedit.condition import Condition
from vedit.conditioners import Conditioner
from vedit.config import ControlSettings
from vedit.entrances.residuals import AddResiduals
from vedit.errors import ConfigError
from vedit.part import Need
from vedit.timeline import Moments


@dataclass(frozen=True, eq=False)
class DrawnControl:
    """Pictures (F, 3, H, W) in [0, 1] for a ControlNet, and their weight in each frame (F,)."""

    pictures: Tensor
    weights: Tensor


class Control(Conditioner):
    """One annotator and the ControlNet that reads its pictures."""

    Options = ControlSettings
    options: ControlSettings
    needs: ClassVar[frozenset[Need]] = frozenset({"clip"})

    def __init__(self, options: ControlSettings | None = None) -> None:
        super().__init__(options or ControlSettings(kind="edge"))

    def prepare(self, clip: Clip | None, moments: Moments) -> DrawnControl:
        """Raises ConfigError without a clip, and what annotating or reading a file does."""
        if clip is None:
            raise ConfigError(f"control {self.options.kind}: there is no clip to look at.")
        weights = torch.tensor(self.options.weights(moments))
        annotator = ANNOTATORS.make(self.options.kind, self.options.options)
        file = self.options.file
        drawn = annotator.annotate(clip) if file is None else annotator.read(file, clip)
        return DrawnControl(drawn.frames, weights)

    def condition(self, prepared: DrawnControl, backbone: Backbone) -> Condition:
        """Raises WeightsError where no ControlNet fits the model."""
        from vedit.backbone.control import load_controlnet  # with diffusers, which takes seconds to import

        options = self.options
        net = load_controlnet(options.kind, options.net, backbone)
        entrance = AddResiduals(partial(net, prepared.pictures))
        return Condition(entrance, prepared.weights, options.start, options.stop)
