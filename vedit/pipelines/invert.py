"""``vedit invert``: a clip inverted and sampled back, and how close that comes to it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Unpack

from vedit.backbone.model import Backbone
from vedit.backbone.sizes import working_size
from vedit.clip import Clip, probe
from vedit.clip.lazy import LazyClip
from vedit.clip.sizes import Size
from vedit.config import InvertConfig
from vedit.config.options import InvertOptions
from vedit.flow import estimate_flow
from vedit.pipelines import prompt_schedule, results
from vedit.pipelines.arguments import clip_setting, job, job_config, loaded_model
from vedit.pipelines.execution import result_store, within_memory
from vedit.pipelines.outputs import check_video
from vedit.pipelines.quality import Fidelity, fidelity, round_trip, warn_if_poor
from vedit.pipelines.session import attention_kind, needs_flow, open_job, read_source, source_prompt_of, with_adapter
from vedit.priors import PriorInputs
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
    size = clip.size if isinstance(clip, Clip) else probe(config.clip).size
    model = loaded_model(backbone, config)
    if isinstance(clip, Clip):
        source = clip.resized(working_size(size, config.size, model.unet.config, model.vae_scale_factor))
    else:
        source = read_source(config, size, model)
    with with_adapter(config, model):
        return _invert(config, source, size, model, progress)


def run(config: InvertConfig, progress: Progress | None = None) -> InvertResult:
    """Invert, sample back, compare. The reconstruction is written only where ``output`` is given."""
    source, size, backbone = open_job(checked(config))
    with with_adapter(config, backbone):
        return _invert(config, source, size, backbone, progress)


def _invert(
    config: InvertConfig, source: Clip, size: Size, backbone: Backbone, progress: Progress | None
) -> InvertResult:
    """The inversion of ``source`` at the working size, and the video of ``size`` (H, W) that is asked for, if any."""
    source_prompt = source_prompt_of(config, backbone)
    prompt_schedule.hint_at_unknown(backbone.tokenizer, source_prompt)
    store = result_store(config.cache)
    kind = attention_kind(config, backbone)
    flow = estimate_flow(source.frames) if needs_flow("attention", kind) else None
    with within_memory(), backbone.attending(kind, flow):
        latents = backbone.encode(source.frames)
        vae = round_trip(backbone, latents, source.frames)
        text = backbone.embed([source_prompt])
        given = PriorInputs(
            latents,
            text,
            backbone.schedule(config.steps),
            corrections=config.inversion_corrections,
            store=store,
            progress=progress,
        )
        trace = cached_invert(backbone, given)
        again = reconstruct(backbone, trace, text, config.steps, progress=renamed(progress, "reconstructing"))
        frames = backbone.decode(again)
    found = fidelity(frames, source.frames)
    warn_if_poor(found, vae, prompted=bool(source_prompt), tuned=backbone.is_tuned)
    video = LazyClip.of(source.with_frames(frames), size)
    if config.output is not None:
        video.save(config.output, crf=config.crf, codec=config.codec, overwrite=config.overwrite)
    return InvertResult(video, found, vae, config.output)


def checked(config: InvertConfig) -> InvertConfig:
    """The config, once the video that it asks for, if any, can be written. Raises MediaError or ConfigError."""
    check_video(config)
    return config
