"""``vedit smooth``: a clip with more frames in between, along what moves in it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from vedit.clip.cuts import find_cuts
from vedit.clip.lazy import LazyClip
from vedit.clip.sizes import FASTEST, Size
from vedit.clip.writing import SILENT
from vedit.config import SmoothConfig
from vedit.errors import ConfigError
from vedit.graph import Stage
from vedit.jobs.base import Given, Goal, Job
from vedit.jobs.outputs import check_video, default_output
from vedit.jobs.shots import given_shots
from vedit.jobs.source import Footage, open_frames
from vedit.motion.between import Middle, smoothed
from vedit.progress import Progress
from vedit.session import Session, within_memory
from vedit.shots import Shots

if TYPE_CHECKING:
    from vedit.printing import Report


@dataclass(frozen=True)
class SmoothResult:
    """What was written: ``frames`` pictures of ``size`` (H, W) at ``rate``; ``shots`` is how many the clip has."""

    file: Path
    frames: int
    size: Size
    rate: Fraction
    has_sound: bool
    shots: int


@dataclass(frozen=True)
class Smooth(Stage[SmoothResult]):
    """A clip with more frames, written as they are made."""

    config: SmoothConfig

    title: ClassVar[str] = "smoothing"

    @within_memory()
    def make(self, session: Session) -> SmoothResult:
        config = self.config
        assert config.output is not None
        middle = self._middle()
        source = open_frames(config, None)
        shots = self._shots(source)
        made = smoothed(source, config.times, shots, middle)
        told = _told(made, session.progress)
        told.save(config.output, crf=config.crf, codec=config.codec, overwrite=config.overwrite)
        heard = config.output.suffix.lower() not in SILENT and source.audio is not None
        return SmoothResult(config.output, len(made), made.size, made.rate, heard, len(shots))

    def _middle(self) -> Middle | None:
        """The network that makes frames. Raises WeightsError and DeviceError."""
        if self.config.rife is None:
            return None
        from vedit.backbone.loading import choose_device  # beside the loading of models, which takes seconds to import
        from vedit.motion.rife import load_rife

        return load_rife(self.config.rife, choose_device(self.config.device))

    def _shots(self, source: LazyClip) -> Shots:
        if self.config.shots == "auto":
            return find_cuts(source.frames)
        return given_shots(self.config, Footage(source.size, len(source), len(source), source.rate))


def _told(clip: LazyClip, progress: Progress | None) -> LazyClip:
    """The same clip, of whose frames it is told as they are made."""
    if progress is None:
        return clip
    tell, numbers = progress, count(1)

    def draw(frame: Tensor) -> Tensor:
        tell("smoothing", next(numbers), len(clip))
        return frame

    return clip.mapped(draw)


class SmoothJob(Job[SmoothConfig, SmoothResult]):
    """Without ``output``, "<clip>-smooth.mp4" in the current folder."""

    def checked(self, config: SmoothConfig) -> SmoothConfig:
        config = config.model_copy(update={"output": config.output or default_output(config.clip, "-smooth.mp4")})
        check_video(config)
        rate = Footage.of(config, None).rate
        if rate * config.times > FASTEST:
            raise ConfigError(
                f"times: {config.times} times {float(rate):g} frames per second are more than {FASTEST}; expected at "
                f"most {int(FASTEST / rate)}."
            )
        return config

    def goal(self, config: SmoothConfig, session: Session, given: Given) -> Goal[SmoothResult]:
        return Goal(Smooth(config), config)

    def show(self, result: SmoothResult, report: Report) -> None:
        report.video(result.file, result.frames, result.size, float(result.rate), sound=result.has_sound)
