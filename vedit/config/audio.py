"""Settings of sound: the soundtrack, its envelope, and what follows it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, Field, model_validator

from vedit.config import prompt_weights
from vedit.config.fields import (
    LONGEST_PROMPT,
    MIN_FPS,
    Feature,
    RequiredPrompt,
    Varying,
    as_tuple,
    raise_faults,
    varying,
)
from vedit.config.groups import Settings
from vedit.config.paths import InputPath, OutputPath
from vedit.errors import VeditHint
from vedit.timeline import FEATURES


class EmphasisSettings(Settings):
    """A word of the prompt and how much it counts. As text: WORD=TIMELINE, such as "rain=1+2*loudness"."""

    word: str = Field(min_length=1, max_length=LONGEST_PROMPT, description="A word of the prompt, or several in a row.")
    weight: Annotated[Varying, varying(0, 20)] = Field(description="How much it counts; 1 is as it is.")

    @classmethod
    def read(cls, text: str) -> dict[str, Any]:
        word, equals, weight = text.partition("=")
        if not equals:
            raise ValueError("has no weight; expected WORD=TIMELINE, such as rain=1+2*loudness")
        return {"word": word.strip(), "weight": weight}


class PromptAtSettings(Settings):
    """A prompt that the clip goes on to. As text: TIME:PROMPT, such as "2s:snow over grass", "8b:snow over grass" or
    "shot2:snow over grass"."""

    weighted_prompts: ClassVar[frozenset[str]] = frozenset({"prompt"})

    time: str = Field(
        pattern=r"^((\d+\.?\d*|\.\d+)[fsb]?|shot0*[1-9]\d{0,5})$",
        description="Frames (12), seconds (2s), beats (8b) or a shot (shot2), when it is reached.",
    )
    prompt: RequiredPrompt = Field(description="What is seen then.")

    @property
    def shot(self) -> int | None:
        """The number of the shot that it begins with, counted from 1; None where it is reached at a time."""
        return int(self.time.removeprefix("shot")) if self.time.startswith("shot") else None

    @classmethod
    def read(cls, text: str) -> dict[str, Any]:
        time, colon, prompt = text.partition(":")
        if not colon:
            raise ValueError("has no time; expected TIME:PROMPT, such as 2s:snow over grass")
        return {"time": time.strip(), "prompt": prompt.strip()}


def without_shots(prompt_at: tuple[PromptAtSettings, ...]) -> list[str]:
    """The faults of prompts that come with a shot, of what is made and has none."""
    named = (each.time for each in prompt_at if each.shot is not None)
    return [f"prompt_at: what is made here has no shots, so no {each}; give a time, such as 2s" for each in named]


BPM = (20.0, 400.0)
"""Tempi that can be given."""


MAX_AUDIO_SCALE = 20.0
"""Largest weight of the sound encoder's tokens; 1 is as much as the prompt."""


class EnvelopeSettings(Settings):
    """Sound"""

    audio_attack: float = Field(0.0, ge=0, le=60, description="Seconds in which a feature rises to 63 %.")
    audio_release: float = Field(0.2, ge=0, le=60, description="Seconds in which a feature falls by 63 %.")
    audio_threshold: float = Field(
        0.0, ge=0, lt=1, description="Level below which a feature is 0; the rest is stretched."
    )
    audio_gain: float = Field(1.0, ge=0, le=100, description="Factor of a feature.")
    audio_smoothing: float = Field(0.0, ge=0, le=60, description="Seconds over which a feature is smoothed last.")


class AudioInputSettings(EnvelopeSettings):
    """Sound"""

    audio: InputPath | None = Field(None, description="Sound to follow: a sound file or a video.")
    audio_start: float = Field(0.0, ge=0, le=86_400, description="Seconds of the sound to leave out at the beginning.")
    audio_duration: float | None = Field(
        None,
        gt=0,
        le=86_400,
        description="Seconds of the sound to take from there. Silence after them; all by default.",
    )
    bpm: float | None = Field(None, ge=BPM[0], le=BPM[1], description="Beats per minute, where they are known.")

    idle_without_audio: ClassVar[tuple[str, ...]] = (*EnvelopeSettings.model_fields, "audio_start", "audio_duration")
    """What says nothing without a sound."""

    @model_validator(mode="after")
    def _audible(self) -> Self:
        own = type(self).model_fields
        idle = [
            name for name in self.idle_without_audio if self.audio is None and getattr(self, name) != own[name].default
        ]
        return raise_faults(self, [f"{name} needs audio, the sound to listen to" for name in idle])


class AudioConditionSettings(Settings):
    """The options of the conditioner ``audio``: a sound, and how its encoder's tokens guide."""

    file: InputPath | None = Field(None, description="A sound file or a video; by default the clip's own sound.")
    strength: Annotated[Varying, varying(0, MAX_AUDIO_SCALE)] = Field(
        1.0, description="Weight of its tokens, 1 as much as the prompt."
    )
    encoder: InputPath | None = Field(None, description="Sound encoder (.safetensors); by default the model's own.")
    quantile: float = Field(
        0.8, ge=0, lt=1, description="Share of each channel, where its guidance is weakest, in which it is left out."
    )
    start: float = Field(0.0, ge=0, le=1, description="Share of the steps after which it begins to act.")
    stop: float = Field(1.0, ge=0, le=1, description="Share of the steps after which it ends.")


class SoundtrackSettings(AudioInputSettings):
    """Sound"""

    idle_without_audio: ClassVar[tuple[str, ...]] = (
        *AudioInputSettings.idle_without_audio,
        "audio_scale",
        "sound_encoder",
    )
    weighted_prompts: ClassVar[frozenset[str]] = frozenset({"prompt", "source_prompt", "negative_prompt"})

    audio_scale: Annotated[Varying | None, varying(0, MAX_AUDIO_SCALE)] = Field(
        None,
        description="Weight of the sound encoder's tokens, 1 as much as the prompt. By default 1 where the model has "
        "an encoder, else 0.",
    )
    sound_encoder: InputPath | None = Field(
        None, description="Sound encoder (.safetensors) to listen with. By default the model's own."
    )
    emphasis: Annotated[tuple[EmphasisSettings, ...], BeforeValidator(as_tuple)] = Field(
        (), description="How much a word counts: WORD=TIMELINE, such as rain=1+2*loudness. May be given several times."
    )
    prompt_at: Annotated[tuple[PromptAtSettings, ...], BeforeValidator(as_tuple)] = Field(
        (),
        description="A prompt to go on to: TIME:PROMPT, such as '2s:snow', or in an edit 'shot2:snow'. May be given "
        "several times; with a shot it comes at once, else the one before fades into it.",
    )
    prompt_blend: Annotated[Varying | None, varying(0, 1)] = Field(
        None,
        description="What moves the clip from prompt to prompt: a feature or a timeline. Its running sum between two "
        "prompts is the share of the way; by default time itself.",
    )

    @model_validator(mode="before")
    @classmethod
    def _weighed(cls, value: Any) -> Any:
        """Words that are weighed by brackets in a prompt are words to emphasise."""
        return _without_brackets(value, cls.weighted_prompts) if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _moving(self) -> Self:
        idle = self.prompt_blend is not None and not self.prompt_at
        return raise_faults(self, ["prompt_blend needs prompt_at, a prompt to go on to"] if idle else [])


def _without_brackets(given: dict[str, Any], prompts: frozenset[str]) -> dict[str, Any]:
    """Settings with the brackets taken out of their prompts, and the words in them added to the emphasis.

    Raises ValueError where a prompt asks in brackets for what is a setting here.
    """
    values, weighed = dict(given), list[dict[str, Any]]()

    def plain(name: str, text: Any) -> Any:
        if not isinstance(text, str):
            return text
        try:
            words, weights = prompt_weights.read(text)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        for doubt in prompt_weights.doubts(text):
            warnings.warn(f"{name}: {doubt}", VeditHint, stacklevel=2)
        if weights and name in ("source_prompt", "negative_prompt"):
            warnings.warn(
                f"{name}: words are weighed in the prompt alone; here they count alike", VeditHint, stacklevel=2
            )
        elif weights:
            weighed.extend({"word": word, "weight": weight} for word, weight in weights)
        return words

    for name in sorted(prompts & values.keys()):
        values[name] = plain(name, values[name])
    if values.get("prompt_at"):
        values["prompt_at"] = [_read(each, plain) for each in as_tuple(values["prompt_at"])]
    if weighed:
        values["emphasis"] = [*as_tuple(values.get("emphasis") or ()), *weighed]
    return values


def _read(each: Any, plain: Callable[[str, Any], Any]) -> Any:
    """A prompt to go on to with its own prompt made plain; as it is where the config will say what is wrong with it."""
    try:
        parts = PromptAtSettings.read(each) if isinstance(each, str) else each
    except ValueError:
        return each
    return {**parts, "prompt": plain("prompt_at", parts.get("prompt"))} if isinstance(parts, dict) else parts


MOST_FRAMES = 100_000
"""Of a clip that is generated, and of numbers that are shown: an hour at 25 per second, and more."""


class FramesSettings(Settings):
    """Clip"""

    fps: float = Field(24.0, ge=MIN_FPS, le=240, description="Frames per second.")
    frames: int | None = Field(
        None, ge=1, le=MOST_FRAMES, description="How many frames; by default as long as the sound."
    )


class InspectAudioConfig(AudioInputSettings, FramesSettings):
    """All settings of an inspection of a sound."""

    job: ClassVar[str] = "inspect audio"

    audio: InputPath = Field(description="A sound file or a video.")
    feature: Feature = Field(
        "loudness", description=f"What to draw: loudness, bass, onset, beat or others. All are {', '.join(FEATURES)}."
    )
    output: OutputPath | None = Field(
        None, description="Where to write the picture (.png). By default named after the sound."
    )
    save_data: OutputPath | None = Field(None, description="Also write all features as numbers (.json).")
    overwrite: bool = Field(False, description="Replace outputs that exist.")


class InspectTimelineConfig(AudioInputSettings, FramesSettings):
    """All settings of an inspection of a timeline."""

    job: ClassVar[str] = "inspect timeline"

    timeline: Annotated[Varying, varying(float("-inf"), float("inf"))] = Field(
        description="A number, keyframes such as '0:1, 2s:0.4', an expression such as '1+loudness', or a feature."
    )
