"""``vedit inspect``: what an annotator finds in a clip, as a video of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Unpack

import torch
from torch import Tensor

from vedit.annotators import CPU, Annotation, Annotator, FrameByFrame
from vedit.clip import Clip, probe
from vedit.clip.lazy import LazyClip
from vedit.clip.sizes import Size
from vedit.clip.writing import check_size
from vedit.config import InspectConfig
from vedit.config.merge import Layer, make_part, merge
from vedit.config.options import InspectOptions
from vedit.errors import ConfigError, MediaError
from vedit.pipelines import results
from vedit.pipelines.arguments import clip_setting, job
from vedit.pipelines.outputs import check_output, check_video, default_output
from vedit.pipelines.session import open_frames, read_frames
from vedit.session import within_memory
from vedit.sheet import contact_sheet


@dataclass(frozen=True)
class InspectResult:
    """An annotation, the same as a clip of the source's size, rate and sound, and the files that hold it."""

    video: LazyClip
    annotation: Annotation
    files: tuple[Path, ...]

    @cached_property
    def clip(self) -> Clip:
        """All of it in memory."""
        return self.video.whole()

    def _repr_html_(self) -> str:
        return results.html(self.video)


@job(InspectConfig, "kind", "clip")
def inspect(kind: str, clip: Clip | str | Path, **settings: Unpack[InspectOptions]) -> InspectResult:
    """What an annotator finds in a clip: "edge", "pose", "flow" and the others that `vedit parts` lists.

    ``clip``: a Clip, or the path of one. Nothing is written unless ``output``, ``save_data`` or ``sheet`` is given.
    Raises TypeError for arguments of another kind, ConfigError for the settings, PartError for a kind that cannot be
    had here, and what reading and writing raise.
    """
    config = merge(InspectConfig, Layer({**settings, "kind": kind, "clip": clip_setting(clip, settings)}))
    annotator = _checked(config)
    if not isinstance(clip, Clip):
        return _inspect(config, annotator, _opened(config, annotator), probe(config.clip).size)
    return _inspect(config, annotator, clip if config.size is None else clip.resized(config.size), clip.size)


def run(config: InspectConfig) -> InspectResult:
    """Look for ``config.kind`` in a clip; write the pictures, and where asked for the numbers and a contact sheet.

    Raises PartError for a kind that cannot be had here, and what reading a clip and writing one raise.
    """
    config, annotator = checked(config)
    size = probe(config.clip).size
    check_size(config.codec, size)
    return _inspect(config, annotator, _opened(config, annotator), size)


def _opened(config: InspectConfig, annotator: Annotator) -> Clip | LazyClip:
    """The frames that are asked for, at the size at which to look: all in memory only where the annotator needs it."""
    return (open_frames if isinstance(annotator, FrameByFrame) else read_frames)(config, config.size)


@within_memory()
def _inspect(config: InspectConfig, annotator: Annotator, source: Clip | LazyClip, size: Size) -> InspectResult:
    """What is found in ``source``, brought to ``size`` (H, W), and the files that are asked for."""
    device = _device(config.device)
    if isinstance(annotator, FrameByFrame):
        annotation = annotator.annotate(source, device)
    else:
        annotation = annotator.annotate(source if isinstance(source, Clip) else source.whole(), device)
    pictures = annotation.pictures
    drawn = LazyClip.of(Clip(pictures, source.rate) if isinstance(pictures, Tensor) else pictures, size)
    video = replace(drawn, audio=source.audio, audio_origin=source.audio_origin)
    files = []
    if config.save_data is not None:  # first, because not every kind has numbers
        annotation.save_data(config.save_data, overwrite=config.overwrite)
        files.append(config.save_data)
    if config.output is not None:
        video.save(config.output, crf=config.crf, codec=config.codec, overwrite=config.overwrite)
        files.insert(0, config.output)
    if config.sheet is not None:
        contact_sheet(LazyClip.of(source, size), video, config.sheet, label=config.kind, overwrite=config.overwrite)
        files.append(config.sheet)
    return InspectResult(video, annotation, tuple(files))


def checked(config: InspectConfig) -> tuple[InspectConfig, Annotator]:
    """The config with its output named, once all can be written, and the annotator with its options.

    Raises ConfigError, MediaError and PartError.
    """
    if config.output is None:
        config = config.model_copy(update={"output": default_output(config.clip, f"-{config.kind}.mp4")})
    return config, _checked(config)


def _checked(config: InspectConfig) -> Annotator:
    """The annotator with its options, once all that is asked for can be written."""
    annotator: Annotator = make_part("annotators", config.kind, config.options)
    check_video(config)
    if config.sheet is not None and config.sheet.suffix.lower() != ".png":
        raise MediaError(f"{config.sheet}: a contact sheet is written as .png.")
    beside = [path for path in (config.save_data, config.sheet) if path is not None]
    for path in beside:
        check_output(path, config.files_read(), config.overwrite)
    if len({config.output, *beside}) <= len(beside):
        raise ConfigError("two of --output, --save-data and --sheet name the same file; give each its own.")
    return annotator


def _device(name: str) -> torch.device:
    if name == "auto" and not torch.cuda.is_available():
        return CPU
    from vedit.backbone.loading import choose_device  # beside the loading of models, which takes seconds to import

    return choose_device(name)
