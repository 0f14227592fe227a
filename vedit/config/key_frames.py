"""Settings of key frames, and of what is filled in between them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from vedit.config.groups import Settings

Fill = Literal["flow", "recursive", "tokens"]
"""How frames between key frames are made."""


def _key_frames(value: Any) -> Any:
    """Reads how many: "auto", or a number."""
    if value is None or value == "auto":
        return value
    try:
        count = int(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else 0
    except ValueError:
        count = 0
    if count < 2:
        raise ValueError("are no key frames; expected auto, or how many, 2 or more")
    return count


class KeyFrameSettings(Settings):
    """Clip"""

    key_frames: Annotated[int | Literal["auto"] | None, BeforeValidator(_key_frames)] = Field(
        None,
        description="Edit so many frames together, fill in the others: 8, or auto. Sooner done than all frames. auto "
        "takes as many as the clip's motion asks for; the first and the last frame of each shot are always among them.",
    )
    fill: Fill = Field(
        "flow",
        description="How the others are filled in: flow, recursive or tokens. flow: the edited key frames are carried "
        "along the clip's motion, and refined; recursive: so too, but level by level, the middle of two of them first, "
        "which is then one of them; tokens: each frame is sampled with its key frames' attention (TokenFlow), as long "
        "as all frames take.",
    )
    fill_strength: float = Field(
        0.3,
        gt=0,
        le=1,
        description="With --fill flow and recursive, noise from which what was carried is refined; up to 1.",
    )
