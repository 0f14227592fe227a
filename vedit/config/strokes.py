"""Settings of motion that is drawn."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from vedit.config.fields import MaskText, mask_kind
from vedit.config.groups import Settings
from vedit.config.paths import InputPath, MayBePath


class MotionSettings(Settings):
    """Motion"""

    motion_strokes: InputPath | None = Field(None, description="Strokes file: where things go, and what stays.")
    motion_field: Literal["auto", "learnt", "rigid", "similarity", "thin_plate"] = Field(
        "auto",
        description="What happens between strokes: learnt, rigid, similarity or thin_plate. Whole things turn and move "
        "as one, which a network sees in the picture; what is near does; may be scaled too; or the whole picture bends "
        "as a thin plate does. auto: learnt where the model brings such a network, else rigid.",
    )


class LearntMotionSettings(MotionSettings):
    """Motion"""

    motion_model: InputPath | None = Field(
        None,
        description="Folder that `training.strokes` wrote, of what is learnt of strokes; by default what the model "
        "brings.",
    )


def _of_a_picture(mask: str) -> str:
    if mask_kind(mask) in ("none", "word"):
        raise ValueError(
            "is no mask of a picture's thing; expected auto, box:X,Y,W,H, or a picture that is white there"
        )
    return mask


class PictureMotionSettings(LearntMotionSettings):
    """Motion"""

    motion_of: InputPath | None = Field(
        None,
        description="Clip whose motion the picture takes on, in place of strokes. Its camera's, and its thing's.",
    )
    motion_mask: Annotated[MaskText, AfterValidator(_of_a_picture)] = Field(
        "auto",
        description="What of the picture takes it on: auto, box:X,Y,W,H, or a picture that is white there. auto is "
        "what stands out.",
    )
    motion_words: Annotated[str, MayBePath(names=frozenset({"auto", "none"}))] = Field(
        "auto",
        min_length=1,
        description="Flow diffusion that moves the picture as the prompt says: auto, none, or a folder. It does so "
        "where neither strokes nor a clip do. auto is the one that the model brings, a folder one that "
        "`training.flow_diffusion` wrote.",
    )
