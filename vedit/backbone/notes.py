"""The notes of a model, ``vedit.json`` in its folder: what vedit should know of it. Most models have none."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from vedit.backbone.schemas import Name, fault
from vedit.config import ControlSettings, GenerateConfig
from vedit.errors import WeightsError
from vedit.files import read_text


def _inside(name: str) -> str:
    path = Path(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise ValueError("does not lie inside the model's own folder")
    return name


Inside = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_inside)]
"""The name of a file or folder in the model's own."""


class ModelNotes(BaseModel):
    """All optional: a published checkpoint has no such file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    about: str = Field("", max_length=500)
    """One phrase on what the model knows."""
    vae_floor_db: float | None = Field(None, ge=0, le=100)
    """The least that its VAE's round trip keeps, in dB, of a clip of the kind that the model was trained on."""
    learning_rate: float | None = Field(None, gt=0, le=1)
    """What one-shot tuning takes on this model: a narrow network learns at a higher rate than Stable Diffusion."""
    controls: dict[Name, Inside] = Field({}, max_length=100)
    """The ControlNets that come with the model: by kind of control, the name of a folder inside the model's own."""
    edit_controls: tuple[ControlSettings, ...] = Field((), max_length=10)
    """Which of them steer an edit that names no control and leaves shapes as they are, such as "edge:0.8"."""
    edit: dict[Literal["guidance", "guidance_interval", "steps"], Any] = Field({}, max_length=3)
    """Settings of edits that suit the model, where they are not given."""
    generate: dict[Literal["guidance", "guidance_interval", "steps", "sampler"], Any] = Field({}, max_length=4)
    """Settings of clips that are made of words which suit the model, where they are not given."""
    motion: Literal[""] | Inside = ""
    """The motion modules that come with the model, and are in force unless others are named: a folder in its own."""
    motion_strokes: Literal[""] | Inside = ""
    """What ``training.strokes`` taught for the model, and is in force where strokes are followed unless another is
    named: a folder in its own."""
    motion_words: Literal[""] | Inside = ""
    """The flow diffusion that comes with the model, by which words set pictures in motion: a folder in its own."""
    image_adapter: Literal[""] | Inside = ""
    """The IP-Adapter that comes with the model: the name of a file in its folder, beside which lies the folder
    "image_encoder" of the CLIP that it looks through."""
    sound_encoder: Literal[""] | Inside = ""
    """The sound encoder that comes with the model: the name of a file in its folder."""

    @field_validator("edit", "generate")
    @classmethod
    def _settings(cls, told: dict[str, Any]) -> dict[str, Any]:
        settings = GenerateConfig(prompt="", **told)
        return {name: getattr(settings, name) for name in told}

    @model_validator(mode="after")
    def _own_controls(self) -> Self:
        for each in self.edit_controls:
            if each.kind not in self.controls or each.file or each.net:
                raise ValueError(f"edit_controls holds {each.kind}, which is not among its controls")
        return self


def read_notes(path: Path) -> ModelNotes:
    """The notes of a model's folder, or of the folder of its name beside a single file.

    Raises WeightsError when the file is there but cannot be understood.
    """
    file = (path if path.is_dir() else path.with_suffix("")) / "vedit.json"
    if not file.is_file():
        return ModelNotes()
    try:
        return ModelNotes.model_validate_json(read_text(file, WeightsError))
    except ValidationError as error:
        raise WeightsError(f"{file}: {fault(error)}; correct it or delete the file.") from error
