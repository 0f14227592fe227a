"""Settings of a clip that is made smoother."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, model_validator

from vedit.config.fields import Device
from vedit.config.groups import CutSettings, VideoSettings
from vedit.config.paths import InputPath


class SmoothConfig(VideoSettings, CutSettings):
    """All settings of a clip that is given more frames."""

    job: ClassVar[str] = "smooth"

    times: int = Field(2, ge=2, le=16, description="How many times as many frames. The clip lasts as long as before.")
    rife: InputPath | None = Field(
        None,
        description="Weights of RIFE HDv3 (flownet.pkl, or .safetensors), by which frames are made; without them they "
        "are made along the optical flow.",
    )
    device: Device = "auto"

    @model_validator(mode="after")
    def _halves(self) -> Self:
        if self.rife is not None and self.times & (self.times - 1):
            raise ValueError(f"times: rife halves again and again; expected 2, 4, 8 or 16, not {self.times}")
        return self
