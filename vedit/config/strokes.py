"""Settings of motion that is drawn."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from vedit.config.groups import Settings
from vedit.config.paths import InputPath


class MotionSettings(Settings):
    """Motion"""

    motion_strokes: InputPath | None = Field(None, description="Strokes file: where things go, and what stays.")
    motion_field: Literal["rigid", "similarity", "thin_plate"] = Field(
        "rigid",
        description="What happens between strokes: rigid, similarity or thin_plate. Things turn and move as one; may "
        "be scaled too; or the whole picture bends as a thin plate does.",
    )
