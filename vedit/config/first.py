"""Settings of pictures that show single frames of an edit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from vedit.config.fields import TIME, as_tuple
from vedit.config.groups import Settings
from vedit.config.paths import InputPath


class KeyPictureSettings(Settings):
    """A picture, and which frame of the edit it is. As text: [TIME:]FILE, such as "edited.png" or "2s:later.png"."""

    time: str = Field(
        "0", pattern=rf"^{TIME.pattern}$", description="Frames (12), seconds (2s) or beats (8b): of which frame it is."
    )
    file: InputPath = Field(description="The picture.")

    @model_validator(mode="before")
    @classmethod
    def _from_path(cls, value: Any) -> Any:
        return {"file": value} if isinstance(value, Path) else value

    @classmethod
    def read(cls, text: str) -> dict[str, Any]:
        time, colon, file = text.partition(":")
        return {"time": time.strip(), "file": file} if colon and TIME.fullmatch(time.strip()) else {"file": text}


def _pictures(value: Any) -> Any:
    return (value,) if isinstance(value, Path) else as_tuple(value)


class FirstFrameSettings(Settings):
    """Motion"""

    first: Annotated[tuple[KeyPictureSettings, ...], BeforeValidator(_pictures)] = Field(
        (),
        description="First frame of the edit, made elsewhere: edited.png, 2s:later.png. It is spread along the "
        "clip's motion, and the prompt may be left out. In full [TIME:]FILE; may be given several times, each at "
        "its time, one fading into the other.",
    )
    first_hold: float = Field(
        0.8, ge=0, le=1, description="Share of the steps up to which what --first shows is held to where it was led."
    )

    @model_validator(mode="before")
    @classmethod
    def _move_noise(cls, values: Any) -> Any:
        """Sampling starts from noise that moves with what pictures show."""
        if not isinstance(values, dict) or not values.get("first"):
            return values
        return {"prior": "flow_warped", **values}
