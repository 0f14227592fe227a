"""``vedit inspect audio`` and ``vedit inspect timeline``: what is heard, and what numbers are made of it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vedit.audio import Heard
from vedit.audio.plot import draw
from vedit.config import InspectSoundConfig, InspectTimelineConfig
from vedit.errors import MediaError
from vedit.pipelines import soundtrack
from vedit.pipelines.outputs import check_output, named_after

FRAMES = 24
"""How many frames of a timeline are shown where no sound says it."""


@dataclass(frozen=True)
class InspectSoundResult:
    """What was heard, and the files that show it."""

    heard: Heard
    files: tuple[Path, ...]


def run(config: InspectSoundConfig) -> InspectSoundResult:
    """All of ``vedit inspect audio``. Without ``output``, "<sound>-heard.png" in the current folder."""
    output = config.output or named_after(config.audio, "-heard.png")
    return heard(config.model_copy(update={"output": output}))


def heard(config: InspectSoundConfig) -> InspectSoundResult:
    """Listen to a sound; draw one feature and write all numbers where asked for. Raises MediaError and ConfigError."""
    for path, suffix in ((config.output, ".png"), (config.save_data, ".json")):
        if path is not None:
            if path.suffix.lower() != suffix:
                raise MediaError(f"{path}: expected a name that ends with {suffix}.")
            check_output(path, config.files_read(), config.overwrite)
    audio, rate = soundtrack.read(config), Fraction(str(config.fps))
    assert audio is not None
    frames = config.frames or soundtrack.length(config, audio, rate)
    found = soundtrack.listened(config, audio, frames, rate)
    if config.save_data is not None:
        found.save(config.save_data, overwrite=config.overwrite)
    if config.output is not None:
        curve, start = found.features[config.feature], config.audio_start
        draw(audio, found, curve, config.output, name=config.feature, start=start, overwrite=config.overwrite)
    return InspectSoundResult(found, tuple(path for path in (config.output, config.save_data) if path is not None))


def values(config: InspectTimelineConfig) -> list[list[str]]:
    """The frames, their seconds and the timeline's value in each. Raises ConfigError and MediaError."""
    rate, frames, audio = Fraction(str(config.fps)), config.frames, soundtrack.read(config)
    if frames is None:
        frames = FRAMES if audio is None else soundtrack.length(config, audio, rate)
    moments = soundtrack.follow(config, frames, rate, audio).moments
    numbers = config.in_time("timeline", moments)
    return [[str(frame), f"{float(frame / rate):.3f}", f"{value:.4f}"] for frame, value in enumerate(numbers)]
