"""``vedit inspect audio`` and ``vedit inspect timeline``: a sound's features, and the numbers that are made of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Unpack

from vedit.audio import AudioFeatures
from vedit.audio.plot import draw
from vedit.clip import Audio
from vedit.config import InspectAudioConfig, InspectTimelineConfig
from vedit.config.merge import Layer, merge
from vedit.config.options import InspectAudioOptions
from vedit.errors import MediaError
from vedit.graph import Stage
from vedit.jobs.arguments import job
from vedit.jobs.base import Given, Goal, Job, run
from vedit.jobs.outputs import check_output, default_output
from vedit.session import Session
from vedit.stages import soundtrack

if TYPE_CHECKING:
    from vedit.printing import Report

FRAMES = 24
"""How many frames of a timeline are shown where no sound says it."""


@dataclass(frozen=True)
class InspectAudioResult:
    """The features of a sound, the sound, and the files that show them."""

    features: AudioFeatures
    sound: Audio
    files: tuple[Path, ...] = ()


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
    config = merge(InspectAudioConfig, Layer({**settings, "audio": audio}))
    check_settings(config)
    return run(InspectAudio(), config).features


@dataclass(frozen=True)
class Listen(Stage[InspectAudioResult]):
    """The features of a sound."""

    config: InspectAudioConfig

    title: ClassVar[str] = "listening"

    def make(self, session: Session) -> InspectAudioResult:
        config, rate = self.config, Fraction(str(self.config.fps))
        audio = soundtrack.read(config)
        assert audio is not None
        frames = config.frames or soundtrack.frame_count(config, audio, rate)
        return InspectAudioResult(soundtrack.features_of(config, audio, frames, rate), audio)


class InspectAudio(Job[InspectAudioConfig, InspectAudioResult]):
    """Without ``output``, "<sound>-heard.png" in the current folder."""

    def checked(self, config: InspectAudioConfig) -> InspectAudioConfig:
        output = config.output or default_output(config.audio, "-heard.png")
        config = config.model_copy(update={"output": output})
        check_settings(config)
        return config

    def goal(self, config: InspectAudioConfig, session: Session, given: Given) -> Goal[InspectAudioResult]:
        return Goal(Listen(config), config)

    def finish(
        self, config: InspectAudioConfig, result: InspectAudioResult, seconds: dict[str, float]
    ) -> InspectAudioResult:
        """One feature drawn, and all written as numbers, where asked for."""
        found = result.features
        if config.save_data is not None:
            found.save(config.save_data, overwrite=config.overwrite)
        if config.output is not None:
            curve, start, name = found.features[config.feature], config.audio_start, config.feature
            draw(result.sound, found, curve, config.output, name=name, start=start, overwrite=config.overwrite)
        return replace(result, files=tuple(path for path in (config.output, config.save_data) if path is not None))

    def show(self, result: InspectAudioResult, report: Report) -> None:
        sound, beats = result.features, [round(float(each), 4) for each in result.features.own_beats]
        count = f"{len(beats)} beat{'' if len(beats) == 1 else 's'}"
        report.say(f"{count}, {sound.tempo:.2f} BPM{f' ({sound.note})' if sound.note else ''}")
        report.add_data(metrics={"tempo": sound.tempo}, note=sound.note, beats=beats)
        for path in result.files:
            report.file(path)


def check_settings(config: InspectAudioConfig) -> None:
    """Whether all that is asked for can be written. Raises MediaError and ConfigError."""
    for path, suffix in ((config.output, ".png"), (config.save_data, ".json")):
        if path is not None:
            if path.suffix.lower() != suffix:
                raise MediaError(f"{path}: expected a name that ends with {suffix}.")
            check_output(path, config.files_read(), config.overwrite)


@dataclass(frozen=True)
class Evaluate(Stage[list[list[str]]]):
    """The frames, their seconds and a timeline's value in each."""

    config: InspectTimelineConfig

    def make(self, session: Session) -> list[list[str]]:
        config, rate = self.config, Fraction(str(self.config.fps))
        frames, audio = config.frames, soundtrack.read(config)
        if frames is None:
            frames = FRAMES if audio is None else soundtrack.frame_count(config, audio, rate)
        moments = soundtrack.prepare(config, frames, rate, audio).moments
        numbers = config.per_frame("timeline", moments)
        return [[str(frame), f"{float(frame / rate):.3f}", f"{value:.4f}"] for frame, value in enumerate(numbers)]


class InspectTimeline(Job[InspectTimelineConfig, list[list[str]]]):
    """A table of numbers."""

    def goal(self, config: InspectTimelineConfig, session: Session, given: Given) -> Goal[list[list[str]]]:
        return Goal(Evaluate(config), config)

    def show(self, result: list[list[str]], report: Report) -> None:
        report.table(result, head=["frame", "seconds", "value"])
        report.add_data(values=[float(value) for _, _, value in result])
