"""``vedit inspect``: what an annotator finds in a clip, as a video of its own."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Unpack

import torch
from torch import Tensor

from vedit.annotators import ANNOTATORS, CPU, Annotation, Annotator, FrameByFrame
from vedit.clip import Clip, probe
from vedit.clip.lazy import LazyClip
from vedit.clip.sizes import Size
from vedit.clip.writing import check_size
from vedit.config import InspectConfig
from vedit.config.merge import Layer, merge
from vedit.config.options import InspectOptions
from vedit.errors import ConfigError, MediaError
from vedit.graph import Stage
from vedit.jobs import results
from vedit.jobs.arguments import clip_setting, job
from vedit.jobs.base import Given, Goal, Job, run
from vedit.jobs.outputs import check_output, check_video, default_output
from vedit.jobs.source import open_frames, read_frames
from vedit.session import Session, within_memory
from vedit.sheet import contact_sheet

if TYPE_CHECKING:
    from vedit.printing import Report


@dataclass(frozen=True)
class InspectResult:
    """An annotation, the same as a clip of the source's size, rate and sound, the source, and the files that were
    written."""

    video: LazyClip
    annotation: Annotation
    source: LazyClip
    files: tuple[Path, ...] = ()

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
    check_settings(config)
    return run(Inspect(), config, Given(clip=clip if isinstance(clip, Clip) else None))


@dataclass(frozen=True)
class Annotate(Stage[InspectResult]):
    """What an annotator finds in a clip, brought to the clip's own ``size`` (H, W)."""

    config: InspectConfig
    size: Size
    given: Clip | None = field(default=None, compare=False)

    title: ClassVar[str] = "looking"

    @within_memory()
    def make(self, session: Session) -> InspectResult:
        config, device = self.config, _device(self.config.device)
        annotator = ANNOTATORS.make(config.kind, config.options)
        source = self._source(annotator)
        if isinstance(annotator, FrameByFrame):
            annotation = annotator.annotate(source, device)
        else:
            annotation = annotator.annotate(source if isinstance(source, Clip) else source.whole(), device)
        pictures = annotation.pictures
        drawn = LazyClip.of(Clip(pictures, source.rate) if isinstance(pictures, Tensor) else pictures, self.size)
        video = replace(drawn, audio=source.audio, audio_origin=source.audio_origin)
        return InspectResult(video, annotation, LazyClip.of(source, self.size))

    def _source(self, annotator: Annotator) -> Clip | LazyClip:
        """The frames at the size at which to look: all in memory only where the annotator needs it."""
        if self.given is not None:
            return self.given if self.config.size is None else self.given.resized(self.config.size)
        return (open_frames if isinstance(annotator, FrameByFrame) else read_frames)(self.config, self.config.size)


class Inspect(Job[InspectConfig, InspectResult]):
    """Without ``output``, "<clip>-<kind>.mp4" in the current folder."""

    def checked(self, config: InspectConfig) -> InspectConfig:
        if config.output is None:
            config = config.model_copy(update={"output": default_output(config.clip, f"-{config.kind}.mp4")})
        check_settings(config)
        return config

    def goal(self, config: InspectConfig, session: Session, given: Given) -> Goal[InspectResult]:
        size = probe(config.clip).size if given.clip is None else given.clip.size
        if config.output is not None:
            check_size(config.codec, size)
        return Goal(Annotate(config, size, given.clip), config)

    def finish(self, config: InspectConfig, result: InspectResult, seconds: dict[str, float]) -> InspectResult:
        files = []
        with within_memory():
            if config.save_data is not None:  # first, because not every kind has numbers
                result.annotation.save_data(config.save_data, overwrite=config.overwrite)
                files.append(config.save_data)
            if config.output is not None:
                result.video.save(config.output, crf=config.crf, codec=config.codec, overwrite=config.overwrite)
                files.insert(0, config.output)
            if config.sheet is not None:
                label, overwrite = config.kind, config.overwrite
                contact_sheet(result.source, result.video, config.sheet, label=label, overwrite=overwrite)
                files.append(config.sheet)
        return replace(result, files=tuple(files))

    def show(self, result: InspectResult, report: Report) -> None:
        for path in result.files:
            report.file(path)


def check_settings(config: InspectConfig) -> None:
    """Whether all that is asked for can be written, and the annotator has these options.

    Raises ConfigError, MediaError and PartError.
    """
    ANNOTATORS.make(config.kind, config.options)
    check_video(config)
    if config.sheet is not None and config.sheet.suffix.lower() != ".png":
        raise MediaError(f"{config.sheet}: a contact sheet is written as .png.")
    beside = [path for path in (config.save_data, config.sheet) if path is not None]
    for path in beside:
        check_output(path, config.files_read(), config.overwrite)
    if len({config.output, *beside}) <= len(beside):
        raise ConfigError("two of --output, --save-data and --sheet name the same file; give each its own.")


def _device(name: str) -> torch.device:
    if name == "auto" and not torch.cuda.is_available():
        return CPU
    from vedit.backbone.loading import choose_device  # beside the loading of models, which takes seconds to import

    return choose_device(name)
