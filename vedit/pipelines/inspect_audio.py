"""``vedit inspect audio`` and ``vedit inspect timeline``: a sound's features, and the numbers that are made of them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Unpack

from vedit.audio import AudioFeatures
from vedit.audio.plot import draw
from vedit.config import InspectAudioConfig, InspectTimelineConfig
from vedit.config.merge import Layer, merge
from vedit.config.options import InspectAudioOptions
from vedit.errors import MediaError
from vedit.pipelines import soundtrack
from vedit.pipelines.arguments import job
from vedit.pipelines.outputs import check_output, default_output

FRAMES = 24
"""How many frames of a timeline are shown where no sound says it."""


@dataclass(frozen=True)
class InspectAudioResult:
    """The features of a sound, and the files that show them."""

    features: AudioFeatures
    files: tuple[Path, ...]


@job(InspectAudioConfig, "audio")
def inspect_audio(audio: str | Path, **settings: Unpack[InspectAudioOptions]) -> AudioFeatures:
    """The features of a sound, frame by frame: loudness and its kin, onsets, beats and the tempo.

    Nothing is written unless ``output`` (a picture) or ``save_data`` is given.

    Args:
        audio: a sound file or a video
        settings: the fields of InspectAudioConfig

    Raises:
        TypeError: for arguments of another kind
        ConfigError: for the settings
        MediaError: for a sound that cannot be read, and what cannot be written
    """
    return _inspect(merge(InspectAudioConfig, Layer({**settings, "audio": audio}))).features


def run(config: InspectAudioConfig) -> InspectAudioResult:
    """All of ``vedit inspect audio``. Without ``output``, "<sound>-heard.png" in the current folder.

    Raises MediaError and ConfigError.
    """
    output = config.output or default_output(config.audio, "-heard.png")
    return _inspect(config.model_copy(update={"output": output}))


def _inspect(config: InspectAudioConfig) -> InspectAudioResult:
    """The features of a sound; one of them drawn, and all written as numbers, where asked for."""
    for path, suffix in ((config.output, ".png"), (config.save_data, ".json")):
        if path is not None:
            if path.suffix.lower() != suffix:
                raise MediaError(f"{path}: expected a name that ends with {suffix}.")
            check_output(path, config.files_read(), config.overwrite)
    audio, rate = soundtrack.read(config), Fraction(str(config.fps))
    assert audio is not None
    frames = config.frames or soundtrack.frame_count(config, audio, rate)
    found = soundtrack.features_of(config, audio, frames, rate)
    if config.save_data is not None:
        found.save(config.save_data, overwrite=config.overwrite)
    if config.output is not None:
        curve, start = found.features[config.feature], config.audio_start
        draw(audio, found, curve, config.output, name=config.feature, start=start, overwrite=config.overwrite)
    return InspectAudioResult(found, tuple(path for path in (config.output, config.save_data) if path is not None))


def values(config: InspectTimelineConfig) -> list[list[str]]:
    """The frames, their seconds and the timeline's value in each. Raises ConfigError and MediaError."""
    rate, frames, audio = Fraction(str(config.fps)), config.frames, soundtrack.read(config)
    if frames is None:
        frames = FRAMES if audio is None else soundtrack.frame_count(config, audio, rate)
    moments = soundtrack.prepare(config, frames, rate, audio).moments
    numbers = config.per_frame("timeline", moments)
    return [[str(frame), f"{float(frame / rate):.3f}", f"{value:.4f}"] for frame, value in enumerate(numbers)]
