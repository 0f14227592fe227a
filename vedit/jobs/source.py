"""The clip that a job works on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import Any, TypeVar

from torch import Tensor

from vedit.backbone.outline import Outline
from vedit.backbone.sizes import check_pictures, working_size
from vedit.clip import Clip, ClipInfo, probe, read_clip
from vedit.clip.lazy import LazyClip
from vedit.clip.reading import FrameReader, choose_frames, open_clip
from vedit.clip.sizes import Size
from vedit.clip.writing import check_size
from vedit.config import (
    ClipSettings,
    EditConfig,
    FrameSettings,
    InvertConfig,
    SmoothConfig,
    TuneConfig,
    UpscaleConfig,
    VideoSettings,
)
from vedit.errors import VeditWarning
from vedit.graph import Stage
from vedit.graph.files import File
from vedit.stages.clip import GivenClip, ReadClip
from vedit.warning_filters import filtered

ClipJob = EditConfig | InvertConfig | TuneConfig | SmoothConfig | UpscaleConfig
Cut = TypeVar("Cut", bound=FrameSettings)


@dataclass(frozen=True)
class Footage:
    """The frames of a job's clip, before they are read.

    Attributes:
        size: (H, W) of the clip's own pictures
        frames: how many are taken
        whole: how many the clip has
        rate: of those that are taken, frames per second
        given: the clip, where it is in memory
        begin: how many frames lie before these, of those that the config takes
        stretched: whether they are a stretch of those
    """

    size: Size
    frames: int
    whole: int
    rate: Fraction
    given: Clip | None = None
    begin: int = 0
    stretched: bool = False

    @classmethod
    def of(cls, config: ClipJob, given: Clip | None) -> Footage:
        """Those that ``config`` takes of a file, or a clip that is ``given`` in memory. Raises as ``probe_source``."""
        if given is not None:
            return cls(given.size, len(given), len(given), given.rate, given)
        with filtered("ignore", VeditWarning):  # reading the clip gives them
            info, chosen = probe_source(config)
        return cls(info.size, len(chosen), info.frames, info.rate / config.stride)

    def stretch(self, frames: slice) -> Footage:
        """Some of the frames alone."""
        given = None if self.given is None else self.given[frames]
        count = frames.stop - frames.start
        return replace(self, frames=count, given=given, begin=self.begin + frames.start, stretched=True)

    def cut(self, config: Cut) -> Cut:
        """The settings that take these frames of the clip's file."""
        if not self.stretched:
            return config
        return config.model_copy(update={"start": config.start + self.begin * config.stride, "frames": self.frames})

    def own(self, given: Tensor) -> Tensor:
        """Of what is given for each frame of the clip (F, ...), that of these; anything else as it is."""
        whole = self.stretched and len(given) > max(1, self.frames)
        return given[self.begin : self.begin + self.frames] if whole else given

    def working_size(self, config: ClipSettings, outline: Outline) -> Size:
        """The size (H, W) at which a model works on it. Raises MediaError for pictures that are too small."""
        return working_size(self.size, config.size, outline.unet, outline.vae_scale_factor)

    def stage(self, config: FrameSettings, size: Size) -> Stage[Clip]:
        """The frames at a working ``size`` (H, W). Raises OSError where the file cannot be read."""
        if self.given is not None:
            return GivenClip.of(self.given, size)
        return ReadClip(File.of(config.clip), size, **_cut(self.cut(config)))

    def full_size(self, config: FrameSettings, source: Clip) -> LazyClip:
        """The frames of a ``source`` at the clip's own size: as they are in memory, else each decoded from the file
        again when it is asked for.

        Warnings about the file were given when it was first read.
        """
        if source.size == self.size or self.given is not None:
            return LazyClip.of(self.given or source, self.size)
        with filtered("ignore", VeditWarning):
            reader = FrameReader.open(config.clip, **_cut(self.cut(config)))
        make = partial(reader.read, size=self.size, again=True)
        return LazyClip(make, len(source), self.size, source.rate, source.audio, source.audio_origin)


def open_whole(config: FrameSettings, given: Clip | None) -> LazyClip:
    """The frames that a config takes at the clip's own size, with their sound; warnings about the file were given
    before."""
    if given is not None:
        return LazyClip.of(given)
    with filtered("ignore", VeditWarning):
        return open_frames(config, None)


def probe_source(config: ClipJob) -> tuple[ClipInfo, range]:
    """Probe a clip's file without decoding it, and choose the frames that the config takes.

    Raises MediaError for too few frames, damage that is not allowed, and pictures that the codec cannot encode.
    """
    info = probe(config.clip)
    check_pictures(info.size)
    if isinstance(config, VideoSettings) and config.output is not None:
        check_size(config.codec, info.size)
    cut = config.frames, config.start, config.stride
    return info, choose_frames(config.clip, info.frames, info.complaint, *cut, config.allow_partial)


def read_frames(config: FrameSettings, size: Size | int | None) -> Clip:
    """Read the frames that ``config`` takes, at a ``size``: (H, W), the longer side, or None for their own."""
    return read_clip(config.clip, size=size, **_cut(config))


def open_frames(config: FrameSettings, size: Size | int | None) -> LazyClip:
    """As ``read_frames``, but each frame is decoded when it is asked for."""
    return open_clip(config.clip, size=size, **_cut(config))


def _cut(config: FrameSettings) -> dict[str, Any]:
    """The arguments that tell the readers of clips which frames to take."""
    return {
        "frames": config.frames,
        "start": config.start,
        "stride": config.stride,
        "allow_partial": config.allow_partial,
    }
