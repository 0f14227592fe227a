"""Settings of what is learnt from pictures."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from vedit.config.groups import ModelSettings
from vedit.config.paths import InputPath, OutputPath

LONGEST_TOKEN = 50
"""Characters."""


def _token_and_class(text: str) -> str:
    words = text.split()
    if len(words) < 2:
        raise ValueError('has no class; expected its own word and then what kind of thing it is, such as "<rex> dog"')
    if len(words[0]) > LONGEST_TOKEN:
        raise ValueError(f"begins with a word of {len(words[0])} characters; expected {LONGEST_TOKEN} at most")
    return " ".join(words)


class LearnSubjectConfig(ModelSettings):
    """All settings of the learning of a subject."""

    job: ClassVar[str] = "learn subject"
    suffix: ClassVar[str] = ".safetensors"

    pictures: InputPath = Field(
        description="Folder of pictures of the subject; three to ten are enough. Each may have its words in a .txt of "
        "its name, the subject in them by its own."
    )
    called: Annotated[str, AfterValidator(_token_and_class)] = Field(
        description='Its own word, new to the model, and what it is: "<rex> dog". Prompts then say <rex>.'
    )
    steps: int = Field(400, ge=1, le=100_000, description="Training steps.")
    learning_rate: float = Field(1e-4, gt=0, le=1, description="Of the LoRA; the word's learns five times as fast.")
    rank: int = Field(4, ge=1, le=1024, description="Of the LoRA.")
    prior_pictures: int = Field(
        100,
        ge=0,
        le=10_000,
        description="Pictures of the class that the model makes itself, to keep the class as it is. 0 lets it drift.",
    )
    prior_weight: float = Field(1.0, ge=0, le=100, description="How much these count.")
    size: int | None = Field(
        None, ge=8, le=8192, description="Side, in pixels, of what is learnt. By default what the model was trained at."
    )
    seed: int = Field(0, ge=0, le=2**63 - 1, description="Of all that is drawn.")
    output: OutputPath | None = Field(None, description="Where to write the LoRA (.safetensors).")
    overwrite: bool = Field(False, description="Replace files that exist.")
    cache: bool = Field(
        True, description="Keep the pictures of the class for the next subject; `vedit cache` shows it."
    )
