"""What a model's folder says of itself to vedit, in ``vedit.json``; most folders say nothing."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vedit.errors import WeightsError


class ModelNotes(BaseModel):
    """All optional: a published checkpoint has no such file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    about: str = ""
    """One phrase on what the model knows."""
    vae_floor_db: float | None = None
    """The least that its VAE's round trip keeps, in dB, of a clip of the kind that the model was trained on."""
    learning_rate: float | None = Field(None, gt=0)
    """What one-shot tuning takes on this model: a narrow network learns at a higher rate than Stable Diffusion."""
    controls: dict[str, str] = {}
    """The ControlNets that come with the model: by kind of control, the name of a folder inside the model's own."""
    sound_encoder: str = ""
    """The sound encoder that comes with the model: the name of a file in its folder."""


def read_notes(place: Path) -> ModelNotes:
    """The notes of a model's folder, or of the folder of its name beside a single file.

    Raises WeightsError when the file is there but cannot be understood.
    """
    file = (place if place.is_dir() else place.with_suffix("")) / "vedit.json"
    if not file.is_file():
        return ModelNotes()
    try:
        return ModelNotes.model_validate_json(file.read_bytes())
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"]) or "the file"
        raise WeightsError(f"{file}: {where}: {fault['msg']}; correct it or delete the file.") from error
