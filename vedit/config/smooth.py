"""Settings of a clip that is made smoother."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from vedit.config.groups import CutSettings, VideoSettings


class SmoothConfig(VideoSettings, CutSettings):
    """All settings of a clip that is given more frames."""

    job: ClassVar[str] = "smooth"

    times: int = Field(2, ge=2, le=16, description="How many times as many frames. The clip lasts as long as before.")
