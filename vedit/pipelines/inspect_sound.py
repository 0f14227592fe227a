"""``vedit inspect audio`` and ``vedit inspect timeline``: what is heard, and what numbers are made of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from vedit import timeline
from vedit.config import InspectSoundConfig, InspectTimelineConfig
from vedit.errors import MediaError
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
    output = config.output or named_after(config.audio, "-heard.png")
    for path, suffix in ((output, ".png"), (config.numbers, ".json")):
        if path is not None:
            if path.suffix.lower() != suffix:
                raise MediaError(f"{path}: expected a name that ends with {suffix}.")
            check_output(path, config.audio, config.overwrite)
    audio, rate = hearing.read(config, config.audio), Fraction(str(config.rate))
    frames = config.frames or hearing.length(config, audio, rate)
    heard, features = hearing.listened(config, audio, frames, rate)
    files = [output]
    if config.numbers is not None:
        replace(heard, features=features).save(config.numbers, overwrite=config.overwrite)
        files.append(config.numbers)
    curve = features[config.feature]
    draw(audio, heard, curve, output, name=config.feature, start=config.audio_start, overwrite=config.overwrite)
    return InspectSoundResult(heard, tuple(files))


def values(config: InspectTimelineConfig) -> list[list[str]]:
    """The frames, their seconds and the timeline's value in each. Raises ConfigError and MediaError."""
    rate, frames = Fraction(str(config.rate)), config.frames
    if frames is None:
        audio = None if config.audio is None else hearing.read(config, config.audio)
        frames = FRAMES if audio is None else hearing.length(config, audio, rate)
    moments = hearing.follow(config, frames, rate).moments
    numbers = timeline.read(config.timeline).values(moments)
    return [[str(frame), f"{float(frame / rate):.3f}", f"{value:.4f}"] for frame, value in enumerate(numbers)]
