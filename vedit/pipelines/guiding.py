"""The conditions that a config asks for."""

from __future__ import annotations

from vedit.backbone.model import Backbone
from vedit.clip import Clip
from vedit.condition import Condition
from vedit.conditioners import Conditioner
from vedit.conditioners.control import Control
from vedit.config import GuideSettings
from vedit.errors import MediaError
from vedit.settling import made
from vedit.timeline import Moments


def check(config: GuideSettings) -> None:
    """What can be seen to be wrong with the controls before the model is loaded. Raises MediaError."""
    for control in config.control:
        if control.source is not None and not control.source.exists():
            raise MediaError(
                f"control {control.kind}: {control.source} does not exist; expected keypoints (.json), or pictures "
                "drawn before: a video, a folder or one picture."
            )


def conditions(config: GuideSettings, clip: Clip, backbone: Backbone, moments: Moments) -> tuple[Condition, ...]:
    """What is found in a clip at its working size, ready to steer the model; ``moments`` are the clip's.

    Raises PartError, ConfigError, MediaError or WeightsError, as the conditioners do.
    """
    chosen: list[Conditioner] = [Control(each) for each in config.control]
    chosen += [made("conditioners", each.kind, each.options) for each in config.condition]
    for each in chosen:
        if isinstance(each, Control):
            each.in_frames(moments)
    return tuple(each.condition(each.prepare(clip), backbone) for each in chosen)
