"""The sound that a clip follows, and how it is followed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field

from vedit.config.settings import Settings
from vedit.config.values import Place, Prompt, Varying, listed, varying


class EmphasisSettings(Settings):
    """A word of the prompt and how much it counts. As text: WORD=TIMELINE, such as "rain=1+2*loudness"."""

    word: str = Field(min_length=1, max_length=100, description="A word of the prompt, or several in a row.")
    weight: Annotated[Varying, varying(0, 20)] = Field(description="How much it counts; 1 is as it is.")

    @classmethod
    def read(cls, text: str) -> dict[str, Any]:
        word, equals, weight = text.partition("=")
        if not equals:
            raise ValueError("has no weight; expected WORD=TIMELINE, such as rain=1+2*loudness")
        return {"word": word.strip(), "weight": weight}


class ThenSettings(Settings):
    """A prompt that the clip goes on to. As text: TIME:PROMPT, such as "2s:snow over grass" or "8b:snow over grass"."""

    time: str = Field(pattern=r"^(\d+\.?\d*|\.\d+)[fsb]?$", description="When it is reached: frames, seconds or beats.")
    prompt: Prompt = Field(description="What is seen then.")

    @classmethod
    def read(cls, text: str) -> dict[str, Any]:
        time, colon, prompt = text.partition(":")
        if not colon:
            raise ValueError("has no time; expected TIME:PROMPT, such as 2s:snow over grass")
        return {"time": time.strip(), "prompt": prompt.strip()}


class SoundSettings(Settings):
    """Sound"""

    nested: ClassVar[Mapping[str, type[Settings]]] = {"emphasis": EmphasisSettings, "then": ThenSettings}

    audio: Place | None = Field(None, description="Sound to follow, which becomes the clip's: a sound file or a video.")
    audio_start: float = Field(0.0, ge=0, le=86_400, description="Seconds of the sound to leave out at the beginning.")
    bpm: float | None = Field(None, ge=20, le=400, description="Beats per minute, where they are known.")
    emphasis: Annotated[tuple[EmphasisSettings, ...], BeforeValidator(listed)] = Field(
        (), description="How much a word counts, WORD=TIMELINE, such as rain=1+2*loudness; may be given several times."
    )
    then: Annotated[tuple[ThenSettings, ...], BeforeValidator(listed)] = Field(
        (), description="A prompt to go on to, TIME:PROMPT, such as '2s:snow over grass'; may be given several times."
    )
    blend: Annotated[Varying, varying(0, 1)] | None = Field(
        None,
        description="What moves the clip from prompt to prompt: a feature or a timeline, whose running sum between two "
        "prompts is the share of the way; by default time itself.",
    )
    attack: float = Field(0.0, ge=0, le=60, description="Seconds in which what is heard rises.")
    release: float = Field(0.2, ge=0, le=60, description="Seconds in which it dies away.")
    threshold: float = Field(0.0, ge=0, lt=1, description="Below it nothing is heard.")
    gain: float = Field(1.0, ge=0, le=100, description="How many times louder it is taken.")
    smoothing: float = Field(0.0, ge=0, le=60, description="Seconds over which it is averaged.")
