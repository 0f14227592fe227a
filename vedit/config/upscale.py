"""Settings of a clip that is made larger."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from vedit.config.fields import Prior, PromptText
from vedit.config.groups import (
    AttentionSettings,
    CutSettings,
    ModelSettings,
    StepSettings,
    VideoSettings,
    WordSettings,
)
from vedit.config.paths import MayBePath


class UpscaleConfig(VideoSettings, AttentionSettings, StepSettings, ModelSettings, WordSettings, CutSettings):
    """All settings of a clip that is made larger."""

    job: ClassVar[str] = "upscale"

    times: int = Field(2, ge=2, le=8, description="How many times as wide and as high.")
    prompt: PromptText = Field(
        "", description="What the clip shows. May be left out; then only what is seen says what is drawn."
    )
    strength: float = Field(
        0.3,
        gt=0,
        le=1,
        description="How much is drawn anew, up to 1. It is the share of the steps; less stays nearer to the clip.",
    )
    tile: int | None = Field(
        None,
        ge=32,
        le=8192,
        description="Side, in pixels, of the tiles in which a picture is seen. By default what the model was trained "
        "at.",
    )
    tile_net: Annotated[str, MayBePath(names=frozenset({"auto", "none"}))] = Field(
        "auto",
        min_length=1,
        description="ControlNet `tile`, which holds what is there: auto, none, a folder or a hub id. auto is the one "
        "that the model brings, if it does.",
    )
    prior: Prior = Field(
        "shared",
        description="Noise that is added: shared, gaussian or reshuffled. Shared by all frames, so that nothing "
        "flickers; fresh in each; or fresh in the first, and then the same in other orders.",
    )

    @property
    def steps_taken(self) -> int:
        """Denoising steps that are really taken: the strength's share of them, and one at least."""
        return max(1, round(self.strength * self.steps))
