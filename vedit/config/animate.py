"""Settings of a picture that is set in motion."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from vedit.config.audio import MOST_FRAMES, SoundtrackSettings, without_shots
from vedit.config.controls import GuideSettings
from vedit.config.fields import MIN_FPS, Prior, PromptText, raise_faults
from vedit.config.groups import AttentionSettings, ModelSettings, PromptSettings, StepSettings, VideoSettings
from vedit.config.paths import InputPath, OutputPath
from vedit.config.speed import SpeedSettings
from vedit.config.strokes import PictureMotionSettings

STILL_HOLD = 0.7
"""Share of the steps up to which a picture is held of which nothing says what moves."""


class AnimateConfig(
    VideoSettings,
    SoundtrackSettings,
    AttentionSettings,
    SpeedSettings,
    StepSettings,
    ModelSettings,
    GuideSettings,
    PictureMotionSettings,
    PromptSettings,
):
    """All settings of a picture that is set in motion."""

    job: ClassVar[str] = "animate"

    picture: InputPath = Field(description="Picture to set in motion; it is the first frame.")
    prompt: PromptText = Field("", description="What the picture shows, and does; (word:1.4) lets a word count more.")
    frames: int | None = Field(
        None,
        ge=1,
        le=MOST_FRAMES,
        description="How many frames. By default as long as the sound, else those that the strokes are drawn for, or "
        "16, or fewer where --motion-of ends before.",
    )
    fps: float = Field(8.0, ge=MIN_FPS, le=240, description="Frames per second.")
    size: int | None = Field(
        None, ge=8, le=8192, description="Longer side, in pixels. By default the one that the model was trained at."
    )
    strength: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Noise to start from, up to 1, where no stroke acts. More lets the model change more of what was "
        "cut and dragged, and fill better what was hidden.",
    )
    motion_hold: float = Field(
        0.8, ge=0, le=1, description="Share of the steps up to which what strokes move is held to its path."
    )
    still_hold: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Share of the steps up to which the rest of the picture is held as it is, but for what comes into "
        f"view. By default 1 where it is said what moves, and {STILL_HOLD} where the model is free to.",
    )
    motion_control: Literal["auto", "none", "together", "roll_out"] = Field(
        "auto",
        description="How the ControlNet `motion` draws frames: together, roll_out or none. All at once, each from the "
        "picture; or one after the other, each from the one before. auto: together where the model brings one.",
    )
    paste: bool = Field(
        True,
        description="Put the picture's own pixels, dragged along, where they are held and where the model does not "
        "change them to the eye. Without it they are the VAE's.",
    )
    keep_first: bool = Field(True, description="Let the first frame be the picture itself.")
    prior: Prior = Field(
        "flow_warped",
        description="Start from: flow_warped, bounce, shared, walk or gaussian. Noise: carried along the strokes; with "
        "a first sketch carried along them; shared by all frames; wandering from frame to frame; or fresh in each.",
    )
    sheet: OutputPath | None = Field(
        None, description="Also write a contact sheet (.png). What was cut and dragged above, the result below."
    )
    report: OutputPath | None = Field(
        None, description="Also write a page (.html) that plays it, with all that made it. One file, for a browser."
    )

    @property
    def steps_taken(self) -> int:
        """Denoising steps that are really taken: the strength's share of them, and one at least."""
        return max(1, round(self.strength * self.steps))

    @model_validator(mode="after")
    def _has_no_shots(self) -> Self:
        return raise_faults(self, without_shots(self.prompt_at))
