"""``vedit inspect``: what an annotator finds in a clip, as a video of its own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from vedit.annotators import CPU, Annotation, Annotator
from vedit.clip import Clip, probe
from vedit.clip.lazy import LazyClip
from vedit.clip.writing import check_size
from vedit.config import InspectConfig
from vedit.errors import ConfigError, MediaError
from vedit.pipelines.opening import read_chosen
from vedit.pipelines.running import check_output, check_video, named_after, within_memory
from vedit.settling import made
from vedit.sheet import contact_sheet


@dataclass(frozen=True)
class InspectResult:
    """What was found, and the same as a clip of the source's size, rate and sound; the files that hold it."""

    video: LazyClip
    annotation: Annotation
    files: tuple[Path, ...]

    @cached_property
    def clip(self) -> Clip:
        """All of it in memory."""
        return self.video.whole()


def run(config: InspectConfig) -> InspectResult:
    """Look for ``config.kind`` in a clip; write the pictures, and where asked for the numbers and a contact sheet.

    Raises PartError for a kind that cannot be had here, and what reading a clip and writing one raise.
    """
    config, annotator = checked(config)
    assert config.output is not None
    size = probe(config.clip).size
    check_size(config.codec, size)
    source = read_chosen(config, config.size)
    with within_memory():
        annotation = annotator.annotate(source, _device(config.device))
    video = LazyClip.of(source.with_frames(annotation.frames), size)
    files = [config.output]
    if config.save_data is not None:  # first, because not every kind has numbers
        annotation.save_data(config.save_data, overwrite=config.overwrite)
        files.append(config.save_data)
    video.save(config.output, crf=config.crf, codec=config.codec, overwrite=config.overwrite)
    if config.sheet is not None:
        contact_sheet(LazyClip.of(source, size), video, config.sheet, label=config.kind, overwrite=config.overwrite)
        files.append(config.sheet)
    return InspectResult(video, annotation, tuple(files))


def checked(config: InspectConfig) -> tuple[InspectConfig, Annotator]:
    """The config with its output named, once all can be written, and the annotator with its options.

    Raises ConfigError, MediaError and PartError.
    """
    annotator: Annotator = made("annotators", config.kind, config.options)
    if config.output is None:
        config = config.model_copy(update={"output": named_after(config.clip, f"-{config.kind}.mp4")})
    check_video(config)
    if config.sheet is not None and config.sheet.suffix.lower() != ".png":
        raise MediaError(f"{config.sheet}: a contact sheet is written as .png.")
    beside = [path for path in (config.save_data, config.sheet) if path is not None]
    for path in beside:
        check_output(path, config.files_read(), config.overwrite)
    if len({config.output, *beside}) <= len(beside):
        raise ConfigError("two of --output, --save-data and --sheet name the same file; give each its own.")
    return config, annotator


def _device(name: str) -> torch.device:
    if name == "auto" and not torch.cuda.is_available():
        return CPU
    from vedit.backbone.loading import choose_device  # beside the loading of models, which takes seconds to import

    return choose_device(name)
