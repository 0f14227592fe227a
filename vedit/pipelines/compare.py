"""``vedit compare``: two files, a source and its edit, as one clip."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vedit.clip import probe
from vedit.clip.reading import choose_frames, open_clip
from vedit.clip.sizes import Size
from vedit.clip.writing import SILENT, check_size
from vedit.compare import compare, composed
from vedit.config import CompareConfig
from vedit.errors import ConfigError, VeditWarning
from vedit.pipelines.outputs import check_video, default_output
from vedit.session import within_memory

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


def run(config: CompareConfig) -> CompareResult:
    """Show ``config.source`` and ``config.edit`` together, as long as the latter and at its rate.

    Raises ConfigError for two clips that do not belong together, and what reading and writing clips raise.
    """
    config = checked(config)
    assert config.output is not None
    with within_memory():
        edited = open_clip(config.edit, allow_partial=config.allow_partial)
        info = probe(config.source)
        there = len(choose_frames(config.source, info.frames, None, None, config.start, 1, False))
        wanted = math.ceil(len(edited) / edited.rate * info.rate)
        if there < wanted:
            lasting = f"{config.source} ends after {float(there / info.rate):.2f} s, before {config.edit}"
            warnings.warn(f"{lasting}; its last frame stays.", VeditWarning, stacklevel=2)
        source = open_clip(
            config.source, frames=min(there, wanted), start=config.start, allow_partial=config.allow_partial
        )
        size = composed(source, edited, config.layout).size
        check_size(config.codec, size)
        layout, crf, codec = config.layout, config.crf, config.codec
        compare(source, edited, config.output, layout=layout, crf=crf, codec=codec, overwrite=config.overwrite)
    heard = config.output.suffix.lower() not in SILENT
    sound = heard and (edited.audio is not None or source.audio is not None)
    return CompareResult(config.output, len(edited), size, edited.rate, sound)


def checked(config: CompareConfig) -> CompareConfig:
    """The config with its output named, once it can be written. Raises ConfigError and MediaError."""
    config = config.model_copy(update={"output": config.output or default_output(config.edit, "-compared.mp4")})
    check_video(config)
    (height, width), (other_height, other_width) = probe(config.source).size, probe(config.edit).size
    stretched = height * other_width / (width * other_height)
    if max(stretched, 1 / stretched) > STRETCHED:
        raise ConfigError(
            f"{config.source} is {width}x{height} and {config.edit} {other_width}x{other_height}; expected two clips "
            "of one shape, a source and its edit."
        )
    return config
