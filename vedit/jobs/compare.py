"""``vedit compare``: two files, a source and its edit, as one clip."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from vedit.clip import probe
from vedit.clip.lazy import LazyClip
from vedit.clip.reading import choose_frames, open_clip
from vedit.clip.sizes import Size
from vedit.clip.writing import SILENT, check_size
from vedit.compare import compare, composed
from vedit.config import CompareConfig
from vedit.errors import ConfigError, VeditWarning
from vedit.graph import Stage
from vedit.jobs.base import Given, Goal, Job
from vedit.jobs.outputs import check_video, default_output
from vedit.session import Session, within_memory

if TYPE_CHECKING:
    from vedit.printing import Report

STRETCHED = 1.05
"""How much the shapes of two pictures may differ before the one is no edit of the other."""


@dataclass(frozen=True)
class CompareResult:
    """What was written: ``frames`` pictures of ``size`` (H, W) at ``rate``."""

    file: Path
    frames: int
    size: Size
    rate: Fraction
    has_sound: bool


@dataclass(frozen=True)
class Compare(Stage[CompareResult]):
    """Two clips as one, written as long as the edit and at its rate."""

    config: CompareConfig

    title: ClassVar[str] = "comparing"

    @within_memory()
    def make(self, session: Session) -> CompareResult:
        config = self.config
        assert config.output is not None
        edited = open_clip(config.edit, allow_partial=config.allow_partial)
        source = self._source(edited)
        size = composed(source, edited, config.layout).size
        check_size(config.codec, size)
        layout, crf, codec = config.layout, config.crf, config.codec
        compare(source, edited, config.output, layout=layout, crf=crf, codec=codec, overwrite=config.overwrite)
        heard = config.output.suffix.lower() not in SILENT
        sound = heard and (edited.audio is not None or source.audio is not None)
        return CompareResult(config.output, len(edited), size, edited.rate, sound)

    def _source(self, edited: LazyClip) -> LazyClip:
        """As many frames of the source as last as long as the edit. Warns where it has fewer."""
        config, info = self.config, probe(self.config.source)
        there = len(choose_frames(config.source, info.frames, None, None, config.start, 1, False))
        wanted = math.ceil(len(edited) / edited.rate * info.rate)
        if there < wanted:
            lasting = f"{config.source} ends after {float(there / info.rate):.2f} s, before {config.edit}"
            warnings.warn(f"{lasting}; its last frame stays.", VeditWarning, stacklevel=2)
        frames = min(there, wanted)
        return open_clip(config.source, frames=frames, start=config.start, allow_partial=config.allow_partial)


class CompareJob(Job[CompareConfig, CompareResult]):
    """Without ``output``, "<edit>-compared.mp4" in the current folder."""

    def checked(self, config: CompareConfig) -> CompareConfig:
        config = config.model_copy(update={"output": config.output or default_output(config.edit, "-compared.mp4")})
        check_video(config)
        (height, width), (other_height, other_width) = probe(config.source).size, probe(config.edit).size
        stretched = height * other_width / (width * other_height)
        if max(stretched, 1 / stretched) > STRETCHED:
            raise ConfigError(
                f"{config.source} is {width}x{height} and {config.edit} {other_width}x{other_height}; expected two "
                "clips of one shape, a source and its edit."
            )
        return config

    def goal(self, config: CompareConfig, session: Session, given: Given) -> Goal[CompareResult]:
        return Goal(Compare(config), config)

    def show(self, result: CompareResult, report: Report) -> None:
        report.video(result.file, result.frames, result.size, float(result.rate), sound=result.has_sound)
