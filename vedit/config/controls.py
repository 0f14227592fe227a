"""Settings of controls and other conditioners."""

from __future__ import annotations

import re
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from vedit import timeline
from vedit.config import safe_yaml
from vedit.config.fields import (
    MAX_CONTROL_WEIGHT,
    NUMBER,
    Annotator,
    Conditioner,
    as_tuple,
    control_weight,
    raise_faults,
    split_window,
)
from vedit.config.groups import Settings
from vedit.config.images import ImageGuideSettings
from vedit.config.named_files import PartOptions
from vedit.config.paths import InputPath, PathOrName
from vedit.errors import ConfigError
from vedit.timeline import Moments


class ControlSettings(Settings):
    """One control: what is looked for in the clip, and how strongly and when it steers.

    As text: KIND[:WEIGHT][:FILE][:net=NET][@START-STOP], such as "edge", "pose:keypoints.json" or "flow:0.5@0-0.6"; a
    weight that varies in time stands in brackets: "edge:[1-0.5*loudness]" or "edge:[0:1, 2s:0.4]".
    """

    kind: Annotator = Field(description="What is looked for (`vedit parts`, annotators).")
    weight: Annotated[float | str | tuple[float, ...], BeforeValidator(control_weight)] = Field(
        1.0, description="How strongly it steers, 0 to 2: a number, a timeline, or a list, one for each frame."
    )
    file: InputPath | None = Field(
        None, description="File to take it from instead: keypoints (.json), or pictures drawn before."
    )
    net: PathOrName | None = Field(
        None, min_length=1, description="ControlNet: a folder or a hub id; else the usual one."
    )
    start: float = Field(0.0, ge=0, le=1, description="Share of the steps after which it begins to act.")
    stop: float = Field(1.0, ge=0, le=1, description="Share of the steps after which it ends.")
    options: Annotated[dict[str, Any], PartOptions("annotators")] = Field(
        default_factory=dict, description="Of the annotator (`vedit inspect`)."
    )

    def weights(self, moments: Moments) -> list[float]:
        """Its weight in each frame (F,). Raises ConfigError where it has none, and where weights are given for another
        number of frames."""
        if not isinstance(self.weight, tuple):
            return timeline.read(self.weight).values(moments, low=0, high=MAX_CONTROL_WEIGHT)
        if len(self.weight) != moments.frames:
            raise ConfigError(
                f"control {self.kind}: {len(self.weight)} weights for {moments.frames} frames; give one for each."
            )
        return list(self.weight)

    @classmethod
    def read(cls, text: str) -> dict[str, Any]:
        rest, window = split_window(text)
        values: dict[str, Any] = dict(window)
        values["kind"], *parts = re.split(r":(?![^\[]*\])", rest)
        for part in parts:
            varies = part.startswith("[") and part.endswith("]")
            name = "net" if part.startswith("net=") else "weight" if varies or NUMBER.fullmatch(part) else "file"
            if not part or name in values:
                raise ValueError(f"has {name} twice" if part else "has an empty part; expected KIND[:WEIGHT][:FILE]")
            values[name] = part[1:-1] if varies else part.removeprefix("net=")
        return values

    @model_validator(mode="after")
    def _agree(self) -> Self:
        backwards = self.start >= self.stop
        return raise_faults(self, ["the window ends before it begins; expected START below STOP"] if backwards else [])


class ConditionSettings(Settings):
    """One conditioner and its options. As text: KIND[:KEY=VALUE,...]."""

    kind: Conditioner = Field(description="Which conditioner (`vedit parts`).")
    options: Annotated[dict[str, Any], PartOptions("conditioners")] = Field(
        default_factory=dict, description="Its options."
    )

    @classmethod
    def read(cls, text: str) -> dict[str, Any]:
        kind, _, rest = text.partition(":")
        options = {}
        for each in rest.split(",") if rest else ():
            key, equals, value = each.partition("=")
            if not equals or not key.strip():
                raise ValueError(f"has the option '{each}'; expected KEY=VALUE")
            try:
                options[key.strip()] = safe_yaml.value_of(value)
            except ValueError as error:
                raise ValueError(f"has the option '{each}', whose value {error}") from error
        return {"kind": kind, "options": options}


def _controls(value: Any) -> Any:
    return () if value in ("none", ["none"], ("none",)) else as_tuple(value)


ControlList = Annotated[tuple[ControlSettings, ...] | None, BeforeValidator(_controls)]
"""Controls as they may be given: one or several, as settings or texts, or "none"."""


class GuideSettings(ImageGuideSettings):
    """Control"""

    control: ControlList = Field(
        None,
        description="What of the clip steers it: pose, edge:0.8, depth:0.5@0-0.6. In full "
        "KIND[:WEIGHT][:FILE][:net=NET][@START-STOP], such as edge:0.8 or depth:0.5@0-0.6; kinds are listed by `vedit "
        "parts`; may be given several times. By default what the model brings for edits, where the two prompts leave "
        "shapes as they are; none: nothing.",
    )
    condition: Annotated[tuple[ConditionSettings, ...], BeforeValidator(as_tuple)] = Field(
        (), description="Any other conditioner: KIND[:KEY=VALUE,...]. May be given several times."
    )
