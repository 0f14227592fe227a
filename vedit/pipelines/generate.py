"""``vedit generate``: a prompt, and a sound if there is one, to a clip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, Unpack

import torch

from vedit import registry
from vedit.backbone.model import Backbone
from vedit.backbone.sizes import native_side
from vedit.clip import Audio, Clip
from vedit.clip.sizes import Size, fit_size
from vedit.config import GenerateConfig
from vedit.config.options import GenerateOptions
from vedit.errors import ConfigError
from vedit.pipelines import guidance, prompt_schedule, results, soundtrack
from vedit.pipelines.arguments import job, job_config, loaded_model
from vedit.pipelines.execution import Timings, provenance, warn_of_other_model
from vedit.pipelines.outputs import check_files, write_result
from vedit.pipelines.resources import check_memory, warn_if_long
from vedit.pipelines.sanity import warn_if_degenerate
from vedit.pipelines.session import attention_kind, load_model, needs_flow, with_adapter
from vedit.pipelines.soundtrack import Soundtrack
from vedit.priors import PriorInputs
from vedit.progress import Progress
from vedit.quality import check_finite
from vedit.sampling import denoise
from vedit.session import within_memory
from vedit.sheet import Row, sheet_of

FRAMES = 16
"""How many frames there are where no sound says it."""


@dataclass(frozen=True)
class GenerateResult:
    """A generated clip, and how it came about: see ``EditResult``."""

    clip: Clip
    config: GenerateConfig
    timings: dict[str, float]
    made_with: dict[str, str]
    files: tuple[Path, ...] = field(default=())

    def save(self, path: str | Path, *, overwrite: bool = False) -> tuple[Path, ...]:
        """Write the clip as `vedit generate` does, and beside it the settings that `vedit rerun` takes.

        Returns:
            The files, the clip first.

        Raises:
            MediaError: where they cannot be written
            ConfigError: where they would replace what is read
        """
        return results.save(self.clip, self.config, "generate", self.made_with, path, overwrite)

    def __repr__(self) -> str:
        return results.one_line("GenerateResult", self.clip, self.config.prompt, self.timings)

    def _repr_html_(self) -> str:
        return results.html(self.clip)


@job(GenerateConfig, "prompt")
def generate(
    backbone: Backbone | str | Path,
    prompt: str,
    *,
    progress: Progress | None = None,
    **settings: Unpack[GenerateOptions],
) -> GenerateResult:
    """Make a clip from words, and a sound if there is one.

    Nothing is written unless ``output`` (or ``sheet``) is given. A loaded backbone comes back as it was; threads
    that share one take turns.

    Args:
        backbone: a loaded model, or the name of one to load
        prompt: what the clip shows
        progress: what is told of each step; None for nothing
        settings: the fields of GenerateConfig

    Raises:
        TypeError: for arguments of another kind
        ConfigError: for the settings
        VeditError: what reading, sampling and writing raise
    """
    config = job_config(GenerateConfig, backbone, {**settings, "prompt": prompt})
    _check(config)
    track = _soundtrack(config)
    model = loaded_model(backbone, config)
    with with_adapter(config, model):
        result = _generate(config, model, track, progress)
    return _write(result, track)


def run(config: GenerateConfig, progress: Progress | None = None, *, made_with: str = "") -> GenerateResult:
    """All of ``vedit generate``, from settings to files. Without ``output``, "generated.mp4" in the current folder.

    ``made_with``: the fingerprint of the model that a result to be repeated was made with; another is warned of.
    """
    config = checked(config)
    track = _soundtrack(config)
    backbone = load_model(config)
    with with_adapter(config, backbone):
        result = _generate(config, backbone, track, progress, made_with)
    return _write(result, track)


def checked(config: GenerateConfig) -> GenerateConfig:
    """The config with its output named, once everything that it asks for can be done. Raises as ``run`` does."""
    config = config.model_copy(update={"output": config.output or Path("generated.mp4")})
    _check(config)
    return config


def _check(config: GenerateConfig) -> None:
    """Whether everything that the config asks for can be done, before any work."""
    check_files(config)
    guidance.check(config)
    prior = registry.load("priors", config.prior)
    if getattr(prior, "needs_clip", False) or needs_flow("priors", config.prior):
        raise ConfigError(
            f"the prior {config.prior} starts from a clip, and none is given; take shared, walk or gaussian."
        )
    if config.attention is not None and needs_flow("attention", config.attention):
        raise ConfigError(f"the attention kind {config.attention} follows a clip's motion, and no clip is given.")


def _soundtrack(config: GenerateConfig) -> Soundtrack:
    sound = soundtrack.read(config)
    return soundtrack.prepare(config, frames_of(config, sound), Fraction(str(config.fps)), sound)


def _generate(
    config: GenerateConfig, backbone: Backbone, track: Soundtrack, progress: Progress | None, made_with: str = ""
) -> GenerateResult:
    """The clip itself, of as many frames as the soundtrack has."""
    prompt_schedule.hint_at_unknown(backbone.tokenizer, *prompt_schedule.prompts(config), config.negative_prompt)
    guidance.hint_at_sound_encoder(config, backbone.notes.sound_encoder)
    warn_of_other_model(config.model, made_with, backbone)
    model, moments, stage = backbone.state_fingerprint(), track.moments, Timings(backbone.device)
    kind = attention_kind(config, backbone)
    config = config.model_copy(update={"attention": kind, "frames": moments.frames})
    height, width = size = size_of(config, backbone.unet.config, backbone.vae_scale_factor)
    check_memory(config, moments.frames, size, backbone)
    warn_if_long(config, moments.frames, size, backbone)
    with within_memory(), backbone.attending(kind):
        prompt, negative = backbone.embed_alike([config.prompt, config.negative_prompt])
        guider = guidance.guider(config, backbone, track, prompt, negative)
        conditions = guidance.sound_conditions(config, backbone, track)
        blank = torch.zeros(moments.frames, 4, height // backbone.vae_scale_factor, width // backbone.vae_scale_factor)
        noise_walk = config.per_frame("noise_walk", moments)
        given = PriorInputs(blank, prompt, backbone.schedule(config.steps), seed=config.seed, noise_walk=noise_walk)
        start = registry.load("priors", config.prior)().start(backbone, given)
        with stage("denoising"), backbone.scaling_motion(guidance.motion_scale(config, backbone, track)):
            latents = denoise(backbone, start.noise, given.schedule, guider, conditions=conditions, progress=progress)
            check_finite(latents, "clip", backbone)
        with stage("decoding"):
            frames = backbone.decode(latents)
            check_finite(frames, "decoded clip", backbone)
            clip = Clip(frames, moments.rate, track.audio, track.origin)
        warn_if_degenerate(backbone, frames, prompt, denoised=(start.noise, latents))
    return GenerateResult(clip, config, stage.seconds, provenance(backbone, model))


def frames_of(config: GenerateConfig, sound: Audio | None) -> int:
    """The number of frames: as set, else as long as the excerpt of the sound."""
    if config.frames is not None or sound is None:
        return config.frames or FRAMES
    return soundtrack.frame_count(config, sound, Fraction(str(config.fps)))


def size_of(config: GenerateConfig, unet_config: Mapping[str, Any], vae_scale_factor: int) -> Size:
    """The size (H, W) of the pictures, in whole patches: as asked for, or what the model was trained at."""
    side = native_side(unet_config, vae_scale_factor) or 512
    height, width = config.height or config.width or side, config.width or config.height or side
    return fit_size((height, width), max(height, width), multiple=vae_scale_factor)


def _write(result: GenerateResult, track: Soundtrack) -> GenerateResult:
    """The result, with the files that its config asks for; where the beats are followed, the sheet shows the frames on
    them and those half-way between them too."""
    config, files = result.config, write_result(result.clip, result.config, "generate", result.made_with)
    if config.sheet is not None:
        clip = result.clip
        rows = [Row("generated", clip)]
        beats = track.moments.on_beats() if guidance.follows_beats(config) else []
        if len(beats) > 1:
            between = [(one + other + 1) // 2 for one, other in pairwise(beats)]
            rows += [Row("on the beats", clip, beats[:-1]), Row("between them", clip, between)]
        sheet_of(rows, config.sheet, overwrite=config.overwrite)
        files.append(config.sheet)
    return replace(result, files=tuple(files))
