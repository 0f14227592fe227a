"""A job: a clip played backwards. This module is imported whenever vedit lists its jobs, so it is light."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from vedit.config import ClipSettings, VideoSettings
from vedit.jobs import Entry


class BackwardsConfig(VideoSettings, ClipSettings):
    """All settings of a clip that is played backwards."""

    job: ClassVar[str] = "backwards"

    times: int = Field(1, ge=1, le=9, description="How often it is turned.")


BACKWARDS = Entry(BackwardsConfig, "toy_plugin.backwards:Backwards", "Play a clip backwards.", ("clip",))
