"""``vedit invert``: how well a clip comes back from its own noise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from vedit.clip import Clip
from vedit.clip.lazy import LazyClip
from vedit.config import InvertConfig
from vedit.flow import estimate_flow
from vedit.pipelines.opening import attention_kind, needs_flow, open_job, source_words
from vedit.pipelines.quality import Fidelity, fidelity, round_trip, warn_if_poor
from vedit.pipelines.running import check_video, inversions, within_memory
from vedit.priors import Given
from vedit.priors.inversion import cached_invert, reconstruct
from vedit.progress import Progress, renamed


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


def run(config: InvertConfig, progress: Progress | None = None) -> InvertResult:
    """Invert, sample back, compare. The reconstruction is written only where ``output`` is given."""
    source, size, backbone = open_job(checked(config))
    words = source_words(config, backbone)
    cache = inversions(config.cache)
    kind = attention_kind(config, backbone)
    flow = estimate_flow(source.frames) if needs_flow("attention", kind) else None
    with within_memory(), backbone.attending(kind, flow):
        latents = backbone.encode(source.frames)
        vae = round_trip(backbone, latents, source.frames)
        text = backbone.embed([words])
        given = Given(
            latents, text, backbone.schedule(config.steps), refine=config.refine, cache=cache, progress=progress
        )
        trace = cached_invert(backbone, given)
        again = reconstruct(backbone, trace, text, config.steps, progress=renamed(progress, "reconstructing"))
        frames = backbone.decode(again)
    found = fidelity(frames, source.frames)
    warn_if_poor(found, vae, prompted=bool(words), tuned=bool(backbone.changed))
    video = LazyClip.of(source.with_frames(frames), size)
    if config.output is not None:
        video.save(config.output, crf=config.crf, codec=config.codec, overwrite=config.overwrite)
    return InvertResult(video, found, vae, config.output)


def checked(config: InvertConfig) -> InvertConfig:
    """The config, once the video that it asks for, if any, can be written. Raises MediaError or ConfigError."""
    check_video(config)
    return config
