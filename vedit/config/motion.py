"""Settings of what looks at motion strokes."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from vedit.config.audio import MOST_FRAMES, AudioInputSettings
from vedit.config.fields import MIN_FPS, StrokesTool
from vedit.config.groups import VideoSettings
from vedit.config.paths import InputPath, OutputPath


class InspectMotionConfig(VideoSettings, AudioInputSettings):
    """All settings of an inspection of motion strokes."""

    job: ClassVar[str] = "inspect motion"
    suffix: ClassVar[str] = ".png"

    strokes: InputPath = Field(description="Strokes file (.yaml, .json), or a file or folder of another tool.")
    over: InputPath | None = Field(
        None, description="Picture to draw them over, or a clip, of which the first frame counts."
    )
    tool: StrokesTool = Field(
        "auto",
        description="Whose strokes these are: vedit, motionctrl, tora, draganything, wan-move, ati, motionpro or "
        "time-to-move. auto looks at the file.",
    )
    canvas: str | None = Field(
        None,
        pattern=r"^[1-9]\d{0,4}x[1-9]\d{0,4}$",
        description="WIDTHxHEIGHT, such as 832x480, of the picture that another tool's coordinates lie on.",
    )
    frames: int | None = Field(
        None, ge=2, le=MOST_FRAMES, description="How many frames; by default those of the strokes, or 16."
    )
    fps: float | None = Field(
        None, ge=MIN_FPS, le=240, description="Frames per second; by default the strokes' own, or 8."
    )
    output: OutputPath | None = Field(
        None,
        description="Where to write: .png for one picture of it all; .mp4 and the like to see it move. By default a "
        ".png named after the strokes.",
    )
    save_data: OutputPath | None = Field(
        None, description="Also write the strokes as a file of vedit's own (.yaml), another tool's too."
    )
