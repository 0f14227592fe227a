"""Settings of pictures whose look is taken (IP-Adapter)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, Field, model_validator

from vedit.config.fields import (
    NUMBER,
    TIME,
    PromptText,
    RequiredPrompt,
    Varying,
    as_tuple,
    raise_faults,
    split_window,
    varying,
)
from vedit.config.groups import ModelSettings, Settings
from vedit.config.paths import InputPath, OutputPath, PathOrName

MAX_IMAGE_WEIGHT = 3.0
"""Most that a picture may weigh; 1 is what its adapter was trained with."""

NAMED_LAYERS = ("all", "style", "layout")

_NAMED = ("layers", "mask")


def _layers(value: Any) -> str | tuple[int, ...]:
    """Reads which layers a picture acts in: a name, or their numbers."""
    if isinstance(value, str) and value in NAMED_LAYERS:
        return value
    given = [value] if isinstance(value, int) else value.split(",") if isinstance(value, str) else value
    try:
        numbers = tuple(sorted({int(each) for each in given}))
    except (TypeError, ValueError):
        numbers = ()
    if not numbers or min(numbers) < 0 or max(numbers) > 999:
        raise ValueError(f"are no layers; expected {', '.join(NAMED_LAYERS)}, or their numbers from 0, such as 4,5")
    return numbers


class ImageSettings(Settings):
    """A picture whose look is taken, how strongly, when and where.

    As text: [TIME:]FILE[:WEIGHT][:layers=LAYERS][:mask=FILE][@START-STOP], such as "look.png", "look.png:0.6",
    "2s:other.png" or "look.png:layers=style"; a weight that varies in time stands in brackets: "look.png:[0:1, 2s:0]".
    """

    time: str | None = Field(
        None,
        pattern=rf"^{TIME.pattern}$",
        description="Frames (12), seconds (2s) or beats (8b), when it takes the place of the picture before.",
    )
    file: InputPath = Field(description="The picture.")
    weight: Annotated[Varying, varying(0, MAX_IMAGE_WEIGHT)] = Field(
        1.0,
        description="How much it counts. 1 is what its adapter was trained with; half of it leaves words a say.",
    )
    layers: Annotated[str | tuple[int, ...], BeforeValidator(_layers)] = Field(
        "all",
        description="Which cross-attention layers see it: all, style (its look without its layout), layout, or their "
        "numbers: down, up, middle, from 0.",
    )
    mask: InputPath | None = Field(
        None, description="Where it acts: a picture for all frames, or a video of as many, white there."
    )
    start: float = Field(0.0, ge=0, le=1, description="Share of the steps after which it begins to act.")
    stop: float = Field(1.0, ge=0, le=1, description="Share of the steps after which it ends.")

    @model_validator(mode="before")
    @classmethod
    def _from_path(cls, value: Any) -> Any:
        return {"file": value} if isinstance(value, Path) else value

    @classmethod
    def read(cls, text: str) -> dict[str, Any]:
        rest, window = split_window(text)
        values: dict[str, Any] = dict(window)
        parts = re.split(r":(?![^\[]*\])", rest)
        if len(parts) > 1 and TIME.fullmatch(parts[0].strip()):
            values["time"] = parts.pop(0).strip()
        values["file"], *parts = parts
        for part in parts:
            varies = part.startswith("[") and part.endswith("]")
            name, equals, value = part.partition("=")
            if not varies and equals and name in _NAMED:
                part = value
            else:
                name = "weight"
            if not varies and name == "weight" and not NUMBER.fullmatch(part):
                raise ValueError(
                    f"has the part '{part}'; expected [TIME:]FILE[:WEIGHT][:layers=LAYERS][:mask=FILE][@START-STOP]"
                )
            if name in values:
                raise ValueError(f"has {name} twice")
            values[name] = part[1:-1] if varies else part
        return values

    @model_validator(mode="after")
    def _agree(self) -> Self:
        backwards = self.start >= self.stop
        return raise_faults(self, ["the window ends before it begins; expected START below STOP"] if backwards else [])


def _pictures(value: Any) -> Any:
    return (value,) if isinstance(value, Path) else as_tuple(value)


ImageList = Annotated[tuple[ImageSettings, ...], BeforeValidator(_pictures)]
"""Pictures as they may be given: one or several, as settings or texts."""


class ImageAdapterSettings(Settings):
    """Image"""

    image_adapter: PathOrName | None = Field(
        None,
        min_length=1,
        description="IP-Adapter: the name of a kind, or a file. Kinds are base, plus, plus-face and full-face; "
        "OWNER/NAME/FILE is a file of the hub; by default the model's own, else base.",
    )
    image_encoder: PathOrName | None = Field(
        None,
        min_length=1,
        description="CLIP that it looks through: a folder or a hub id. By default the folder image_encoder beside it.",
    )


class ImageGuideSettings(ImageAdapterSettings):
    """Image"""

    image: ImageList = Field(
        (),
        description="Picture whose look is taken: look.png, look.png:0.6, 2s:other.png. In full "
        "[TIME:]FILE[:WEIGHT][:layers=LAYERS][:mask=FILE][@START-STOP]; LAYERS are all, style, layout or numbers. May "
        "be given several times: those with a time follow each other, others act side by side and their weights add "
        "up.",
    )
    negative_image: ImageList = Field(
        (), description="A picture whose look is led away from. Given as --image is; by default no picture at all."
    )


class InspectImageConfig(ImageAdapterSettings, ModelSettings):
    """All settings of an inspection of a picture whose look is to be taken."""

    job: ClassVar[str] = "inspect image"
    suffix: ClassVar[str] = ".png"

    image: InputPath = Field(description="The picture.")
    prompt: PromptText = Field("", description="Words that are said beside it.")
    caption: Annotated[tuple[RequiredPrompt, ...], BeforeValidator(as_tuple)] = Field(
        (), description="What the picture may show; the nearest come first. May be given several times."
    )
    seed: int = Field(0, ge=0, le=2**63 - 1, description="Of the noise that the picture is looked for in.")
    output: OutputPath | None = Field(
        None, description="Where to write what its tokens look at (.png). By default named after the picture."
    )
    overwrite: bool = Field(False, description="Replace an output that exists.")
