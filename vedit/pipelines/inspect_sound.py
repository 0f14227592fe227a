"""``vedit inspect audio`` and ``vedit inspect timeline``: what is heard, and what numbers are made of it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vedit import timeline
from vedit.clip.soundfile import read_sound
from vedit.config import InspectSoundConfig, InspectTimelineConfig, SoundSettings
from vedit.errors import ConfigError, MediaError
from vedit.listening import Heard
from vedit.listening.picture import draw
from vedit.pipelines import hearing
from vedit.pipelines.running import check_output, named_after

FRAMES = 24
"""How many frames of a timeline are shown where no sound says it."""


@dataclass(frozen=True)
class InspectSoundResult:
    """What was heard, and the files that show it."""

    heard: Heard
    files: tuple[Path, ...]


def run(config: InspectSoundConfig) -> InspectSoundResult:
    """Listen to a sound; draw one feature, and where asked for write all numbers. Raises MediaError and ConfigError."""
    output = config.output or named_after(config.sound, "-heard.png")
    for path, suffix in ((output, ".png"), (config.numbers, ".json")):
        if path is not None:
            if path.suffix.lower() != suffix:
                raise MediaError(f"{path}: expected a name that ends with {suffix}.")
            check_output(path, config.sound, config.overwrite)
    audio, rate = read_sound(config.sound), Fraction(str(config.rate))
    if config.audio_start >= audio.duration:
        raise ConfigError(f"audio_start: {config.audio_start:g} s, and {config.sound} lasts {audio.duration:.2f} s.")
    frames = config.frames or max(1, round((audio.duration - config.audio_start) * rate))
    heard, features = hearing.listened(config, audio, frames, rate)
    files = [output]
    if config.numbers is not None:
        heard.save(config.numbers, overwrite=config.overwrite)
        files.append(config.numbers)
    curve = features[config.feature]
    draw(audio, heard, curve, output, name=config.feature, start=config.audio_start, overwrite=config.overwrite)
    return InspectSoundResult(heard, tuple(files))


def values(config: InspectTimelineConfig) -> list[list[str]]:
    """The frames, their seconds and the timeline's value in each. Raises ConfigError and MediaError."""
    rate, frames = Fraction(str(config.rate)), config.frames
    if frames is None:
        known = None if config.audio is None else read_sound(config.audio).duration - config.audio_start
        frames = FRAMES if known is None else max(1, round(known * rate))
    shared = {name: getattr(config, name) for name in SoundSettings.model_fields if hasattr(config, name)}
    moments = hearing.follow(SoundSettings(**shared), frames, rate).moments
    numbers = timeline.read(config.timeline).values(moments)
    return [[str(frame), f"{float(frame / rate):.3f}", f"{value:.4f}"] for frame, value in enumerate(numbers)]
