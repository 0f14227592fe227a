"""``vedit invert``: a clip inverted and sampled back, and how close that comes to it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Unpack

from vedit.backbone.model import Backbone
from vedit.clip import Clip
from vedit.clip.lazy import LazyClip
from vedit.clip.sizes import Size
from vedit.config import InvertConfig
from vedit.config.options import InvertOptions
from vedit.graph import Run, Stage
from vedit.pipelines import prompt_schedule, results
from vedit.pipelines.arguments import clip_setting, job, job_config, loaded_model
from vedit.pipelines.execution import result_store
from vedit.pipelines.outputs import check_video
from vedit.pipelines.session import (
    attention_kind,
    check_resources,
    clip_facts,
    needs_flow,
    source_prompt_of,
    source_stage,
    with_adapter,
)
from vedit.priors.inversion import reconstruct
from vedit.progress import Progress, renamed
from vedit.quality import Fidelity, fidelity, warn_if_foreign, warn_if_poor
from vedit.session import Session
from vedit.stages.flow import EstimateFlow
from vedit.stages.latents import Encode, RoundTrip
from vedit.stages.noise import StartingNoise
from vedit.stages.words import Words


@dataclass(frozen=True)
class InvertResult:
    """A clip reconstructed from its inversion, how near it comes to the source, and how near the VAE alone would."""

    video: LazyClip
    reconstruction: Fidelity
    vae: Fidelity
    output: Path | None

    @cached_property
    def clip(self) -> Clip:
        """All of it in memory."""
        return self.video.whole()

    def _repr_html_(self) -> str:
        figures = f"VAE {self.vae.db:.1f} dB, inversion {self.reconstruction.db:.1f} dB"
        return results.html(self.video, caption=f"{self.video!r}, {figures}")


@job(InvertConfig, "clip")
def invert(
    backbone: Backbone | str | Path,
    clip: Clip | str | Path,
    *,
    progress: Progress | None = None,
    **settings: Unpack[InvertOptions],
) -> InvertResult:
    """How well a model can reconstruct a clip: DDIM inversion, and back.

    ``backbone``: a loaded model, or the name of one to load. ``clip``: a Clip, or the path of one. Nothing is written
    unless ``output`` is given. A loaded backbone comes back as it was.
    Raises TypeError for arguments of another kind, ConfigError for the settings, and what reading, sampling and writing
    raise. (``vedit.priors.inversion.invert`` is the inversion alone, of latents.)
    """
    config = checked(job_config(InvertConfig, backbone, {**settings, "clip": clip_setting(clip, settings)}))
    return _run(config, backbone, clip if isinstance(clip, Clip) else None, progress)


def run(config: InvertConfig, progress: Progress | None = None) -> InvertResult:
    """Invert, sample back, compare. The reconstruction is written only where ``output`` is given."""
    return _run(checked(config), progress=progress)


def _run(
    config: InvertConfig,
    backbone: Backbone | str | Path | None = None,
    clip: Clip | None = None,
    progress: Progress | None = None,
) -> InvertResult:
    size, frames = clip_facts(config, clip)
    model = loaded_model(config.model if backbone is None else backbone, config)
    check_resources(config, frames, size, model)
    with with_adapter(config, model):
        return _invert(config, source_stage(config, clip, size, model), size, model, progress)


def _invert(
    config: InvertConfig, source: Stage[Clip], size: Size, backbone: Backbone, progress: Progress | None
) -> InvertResult:
    """The inversion of ``source`` at the working size, and the video of ``size`` (H, W) that is asked for, if any."""
    source_prompt = source_prompt_of(config, backbone)
    prompt_schedule.hint_at_unknown(backbone.tokenizer, source_prompt)
    kind, session = attention_kind(config, backbone), Session(progress)
    made, model = Run(session, result_store(config.cache)), session.hold(backbone)
    clip, latents = made(source), Encode(source, model)
    vae = made(RoundTrip(source, latents, model))
    warn_if_foreign(backbone, vae)
    flow = EstimateFlow(source) if needs_flow("attention", kind) else None
    words, corrections = Words(source_prompt), config.inversion_corrections
    start = made(StartingNoise(latents, None, flow, (), model, kind, "inversion", words, config.steps, corrections))
    assert start.trace is not None, "an inversion has a trace"
    with session.working(model, kind, flow=made(flow) if flow else None):
        again = reconstruct(
            backbone,
            start.trace.to(backbone.device),
            words.embedded(backbone),
            config.steps,
            progress=renamed(progress, "reconstructing"),
        )
        frames = backbone.decode(again)
    found = fidelity(frames, clip.frames)
    warn_if_poor(found, vae, prompted=bool(source_prompt), tuned=backbone.is_tuned)
    video = LazyClip.of(clip.with_frames(frames), size)
    if config.output is not None:
        video.save(config.output, crf=config.crf, codec=config.codec, overwrite=config.overwrite)
    return InvertResult(video, found, vae, config.output)


def checked(config: InvertConfig) -> InvertConfig:
    """The config, once the video that it asks for, if any, can be written. Raises MediaError or ConfigError."""
    check_video(config)
    return config
