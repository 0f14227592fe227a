"""``vedit inspect audio`` and ``vedit inspect timeline``: what is heard, and what numbers are made of it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vedit.config import InspectSoundConfig, InspectTimelineConfig
from vedit.errors import MediaError
from vedit.listening import Heard
from vedit.listening.picture import draw
from vedit.pipelines import following
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
    for path, suffix in ((output, ".png"), (config.save_data, ".json")):
        if path is not None:
            if path.suffix.lower() != suffix:
                raise MediaError(f"{path}: expected a name that ends with {suffix}.")
            check_output(path, config.files_read(), config.overwrite)
    audio, rate = following.read(config), Fraction(str(config.fps))
    assert audio is not None
    frames = config.frames or following.length(config, audio, rate)
    heard = following.listened(config, audio, frames, rate)
    files = [output]
    if config.save_data is not None:
        heard.save(config.save_data, overwrite=config.overwrite)
        files.append(config.save_data)
    curve = heard.features[config.feature]
    draw(audio, heard, curve, output, name=config.feature, start=config.audio_start, overwrite=config.overwrite)
    return InspectSoundResult(heard, tuple(files))


def values(config: InspectTimelineConfig) -> list[list[str]]:
    """The frames, their seconds and the timeline's value in each. Raises ConfigError and MediaError."""
    rate, frames, audio = Fraction(str(config.fps)), config.frames, following.read(config)
    if frames is None:
        frames = FRAMES if audio is None else following.length(config, audio, rate)
    moments = following.follow(config, frames, rate, audio).moments
    numbers = config.in_time("timeline", moments)
    return [[str(frame), f"{float(frame / rate):.3f}", f"{value:.4f}"] for frame, value in enumerate(numbers)]
