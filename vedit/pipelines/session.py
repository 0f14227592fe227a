"""Opening what a config names: the clip, the model, and its adapter."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

from vedit import registry
from vedit.adapters.tuned import Adapter
from vedit.backbone.model import Backbone
from vedit.backbone.sizes import check_pictures, working_size
from vedit.clip import Clip, ClipInfo, probe, read_clip
from vedit.clip.lazy import LazyClip
from vedit.clip.reading import FrameReader, choose_frames, open_clip
from vedit.clip.sizes import Size
from vedit.clip.writing import check_size
from vedit.config import AttentionSettings, ClipSettings, EditConfig, InvertConfig, ModelSettings, TuneConfig
from vedit.errors import ConfigError, VeditWarning
from vedit.graph import Stage
from vedit.graph.files import File
from vedit.pipelines.resources import check_memory, warn_if_long
from vedit.stages.clip import GivenClip, ReadClip
from vedit.warning_filters import filtered

DEFAULT_ATTENTION = "sparse_causal"
"""The attention kind of a plain model, which has none of its own."""

Job = EditConfig | TuneConfig | InvertConfig


def check_resources(config: Job, frames: int, size: Size, backbone: Backbone) -> None:
    """Raise DeviceError where so many frames of pictures of ``size`` (H, W) do not fit into memory. Warns where they
    take long."""
    worked = working_size(size, config.size, backbone.unet.config, backbone.vae_scale_factor)
    check_memory(config, frames, worked, backbone)
    warn_if_long(config, frames, worked, backbone)


def probe_source(config: Job) -> tuple[ClipInfo, range]:
    """Probe a clip's file without decoding it, and choose the frames that the config takes.

    Raises MediaError for too few frames, damage that is not allowed, and pictures that the codec cannot encode.
    """
    info = probe(config.clip)
    check_pictures(info.size)
    if not isinstance(config, TuneConfig) and config.output is not None:
        check_size(config.codec, info.size)
    chosen = choose_frames(
        config.clip,
        info.frames,
        info.complaint,
        config.frames,
        config.start,
        config.stride,
        config.allow_partial,
    )
    return info, chosen


def load_model(config: ModelSettings) -> Backbone:
    """The model of a config, without its adapter."""
    from vedit.adapters.loading import load_backbone  # with diffusers, which takes seconds to import

    return load_backbone(
        config.model,
        device=config.device,
        dtype=config.dtype,
        kernel=config.kernel,
        motion_adapter=config.motion_adapter,
        loras=config.lora,
    )


def source_stage(config: ClipSettings, clip: Clip | None, size: Size, backbone: Backbone) -> Stage[Clip]:
    """The source at the working size: ``clip``, if it is in memory, else the frames that ``config`` takes of a file
    whose pictures have ``size`` (H, W)."""
    worked = working_size(size, config.size, backbone.unet.config, backbone.vae_scale_factor)
    if clip is not None:
        return GivenClip.of(clip, worked)
    return ReadClip(File.of(config.clip), worked, **_cut(config))


def clip_facts(config: Job, clip: Clip | None) -> tuple[Size, int]:
    """The size (H, W) of a source's pictures, and how many frames of it are taken. Raises as ``probe_source``."""
    if clip is not None:
        return clip.size, len(clip)
    with filtered("ignore", VeditWarning):  # reading the clip gives them
        info, chosen = probe_source(config)
    return info.size, len(chosen)


def read_frames(config: ClipSettings, size: Size | int | None) -> Clip:
    """Read the frames that ``config`` takes, at a ``size``: (H, W), the longer side, or None for their own."""
    return read_clip(config.clip, size=size, **_cut(config))


def open_frames(config: ClipSettings, size: Size | int | None) -> LazyClip:
    """As ``read_frames``, but each frame is decoded when it is asked for."""
    return open_clip(config.clip, size=size, **_cut(config))


def _cut(config: ClipSettings) -> dict[str, Any]:
    """The arguments that tell the readers of clips which frames to take."""
    return {
        "frames": config.frames,
        "start": config.start,
        "stride": config.stride,
        "allow_partial": config.allow_partial,
    }


def reopen(config: ClipSettings, source: Clip, size: Size) -> LazyClip:
    """Open the frames of a ``source`` again, each decoded at the file's own ``size`` (H, W) when it is asked for.

    Warnings about the file were given when it was first read.
    """
    with filtered("ignore", VeditWarning):
        reader = FrameReader.open(
            config.clip,
            frames=config.frames,
            start=config.start,
            stride=config.stride,
            allow_partial=config.allow_partial,
        )
    make = partial(reader.read, size=size, again=True)
    return LazyClip(make, len(source), size, source.rate, source.audio, source.audio_origin)


def with_adapter(config: ModelSettings, backbone: Backbone) -> AbstractContextManager[None]:
    """A block within which the config's adapter, if any, is on the backbone. Raises WeightsError."""
    if config.adapter is None:
        return nullcontext()
    adapter = Adapter.load(config.adapter)
    return nullcontext() if adapter.digest() == backbone.tuned.digest else adapter.on(backbone)


def loaded_settings(backbone: Backbone, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a job with a loaded model, and what that was loaded with. Raises ConfigError where they would
    load another."""
    if loaded := sorted(settings.keys() & {"model", "motion_adapter", "lora", "device", "dtype", "kernel"}):
        raise ConfigError(f"{', '.join(loaded)}: the backbone is loaded already; give these to load_backbone.")
    return {**backbone.loaded_with, **settings, "model": backbone.name or "unnamed"}


def source_prompt_of(config: EditConfig | InvertConfig, backbone: Backbone) -> str:
    """The source prompt of a job: the config's, else the one that the model was tuned on."""
    return backbone.learned_prompt if config.source_prompt is None else config.source_prompt


def attention_kind(config: AttentionSettings, backbone: Backbone) -> str:
    """The attention kind of a job: the config's, else the model's own, else the default of a plain model."""
    if config.attention is not None:
        return config.attention
    own = backbone.default_attention
    return DEFAULT_ATTENTION if own == "per_frame" and not backbone.has_motion else own


def needs_flow(family: str, kind: str) -> bool:
    """Whether a part, of the family "attention" or "priors", needs the optical flow of the clip."""
    return bool(getattr(registry.load(family, kind), "needs_flow", False))
