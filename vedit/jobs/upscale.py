"""``vedit upscale``: a clip made larger, its details drawn by the model."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from torch import Tensor

from vedit.backbone.model import Backbone
from vedit.backbone.outline import Outline
from vedit.backbone.sizes import native_side
from vedit.clip import Clip
from vedit.clip.lazy import LazyClip
from vedit.clip.sizes import MAX_PIXELS, Size, fit_size
from vedit.clip.writing import check_size
from vedit.config import IN_MEMORY, UpscaleConfig
from vedit.config.options import UpscaleOptions
from vedit.errors import ConfigError
from vedit.graph import Stage
from vedit.jobs import results
from vedit.jobs.arguments import clip_setting, given_model, job, job_config
from vedit.jobs.base import Given, Goal, Job, opened, run
from vedit.jobs.outputs import check_files, default_output, write_result
from vedit.jobs.parts import attention_kind
from vedit.jobs.resources import Canvas
from vedit.jobs.shots import shots_stage
from vedit.jobs.source import Footage
from vedit.jobs.windows import settle_windows, windows_of
from vedit.priors import PRIORS
from vedit.progress import Progress
from vedit.sampling.tiles import tiles_of
from vedit.session import Model, Session
from vedit.stages import prompt_schedule
from vedit.stages.conditions import ControlRun
from vedit.stages.latents import Decode, DoubtPicture, Encode
from vedit.stages.motion import FirstPicture
from vedit.stages.noise import StartingNoise
from vedit.stages.upscale import KIND, DenoiseTiles
from vedit.stages.words import words_of
from vedit.timeline import Moments

if TYPE_CHECKING:
    from vedit.printing import Report

BRANCHES = 2
"""Of guidance, together in one batch."""


@dataclass(frozen=True, repr=False)
class UpscaleResult(results.Saved):
    """A larger clip, and how it came about: see ``EditResult``."""

    video: LazyClip
    config: UpscaleConfig
    made_with: dict[str, str]
    timings: dict[str, float] = field(default_factory=dict)
    files: tuple[Path, ...] = field(default=())

    @cached_property
    def clip(self) -> Clip:
        """The larger clip, whole in memory."""
        return self.video.whole()

    @property
    def shown(self) -> LazyClip:
        return self.video

    def _repr_html_(self) -> str:
        return results.html(self.video)


@job(UpscaleConfig, "clip")
def upscale(
    backbone: Backbone | str | Path,
    clip: Clip | str | Path,
    *,
    progress: Progress | None = None,
    **settings: Unpack[UpscaleOptions],
) -> UpscaleResult:
    """Make a clip larger, and let the model draw its details.

    Nothing is written unless ``output`` is given. A loaded backbone comes back as it was; threads that share one take
    turns.

    Args:
        backbone: a loaded model, or the name of one to load
        clip: a Clip, or the path of one
        progress: what is told of each step; None for nothing
        settings: the fields of UpscaleConfig

    Raises:
        TypeError: for arguments of another kind
        ConfigError: for the settings
        VeditError: what reading, sampling and writing raise
    """
    config = job_config(UpscaleConfig, backbone, {**settings, "clip": clip_setting(clip, settings)})
    check_settings(config)
    given = Given(given_model(backbone), clip if isinstance(clip, Clip) else None)
    return run(Upscale(), config, given, progress)


@dataclass(frozen=True)
class FinishUpscale(Stage[UpscaleResult]):
    """The larger clip, with its sound.

    Attributes:
        size: (H, W) that it is to have
    """

    doubt: DoubtPicture
    clip: Stage[Clip]
    frames: Decode
    model: Model
    config: UpscaleConfig
    size: Size

    def make(self, session: Session, doubt: None, clip: Clip, frames: Tensor) -> UpscaleResult:
        video = LazyClip.of(clip.with_frames(frames), self.size)
        return UpscaleResult(video, self.config, results.made_with(self.model))


class Upscale(Job[UpscaleConfig, UpscaleResult]):
    """Without ``output``, "<clip>-large.mp4" in the current folder."""

    def checked(self, config: UpscaleConfig) -> UpscaleConfig:
        if config.clip == IN_MEMORY:
            raise ConfigError("the clip of these settings was in memory, not in a file; give one with --set clip=PATH.")
        config = config.model_copy(update={"output": config.output or default_output(config.clip, "-large.mp4")})
        check_settings(config)
        return config

    def goal(self, config: UpscaleConfig, session: Session, given: Given) -> Goal[UpscaleResult]:
        footage = Footage.of(config, given.clip)
        target = target_size(config, footage.size)
        model = opened(config, session, given)
        cell = model.outline.vae_scale_factor
        working, side = fit_size(target, None, multiple=cell), tile_side(config, model.outline)
        shown = min(side * cell, working[0]), min(side * cell, working[1])
        kind = attention_kind(config, model.outline)
        config = config.model_copy(update={"attention": kind})
        config = settle_windows(config, footage.frames, shown, model.outline, BRANCHES)
        stages = upscale_stages(config, model, footage, working, side)
        clip = footage.stage(config, working)
        doubt = DoubtPicture(FirstPicture(clip), model, "clip")
        finish = FinishUpscale(doubt, clip, stages, model, config, target)
        prompt_schedule.hint_at_unknown(model.outline.tokenizer, config.prompt, config.negative_prompt)
        windows = windows_of(config, footage.frames)
        canvas = Canvas(footage.frames, shown, target, footage.whole, windows, footage.rate, tiled=working)
        return Goal(finish, config, model, canvas, "take fewer --frames, or a smaller --tile")

    def finish(self, config: UpscaleConfig, result: UpscaleResult, seconds: dict[str, float]) -> UpscaleResult:
        files = write_result(result.video, result.config, result.made_with)
        return replace(result, files=tuple(files), timings=seconds)

    def show(self, result: UpscaleResult, report: Report) -> None:
        report.clip(result.video, result.files)
        report.add_data(made_with=result.made_with)
        report.seconds(result.timings)


def check_settings(config: UpscaleConfig) -> None:
    """Find faults that show before a model is opened. Raises VeditError."""
    check_files(config)
    prior = PRIORS.load(config.prior)
    if prior.needs or prior.walks:
        raise ConfigError(f"prior: {config.prior} is no noise to add to a clip; take shared, gaussian or reshuffled.")


def target_size(config: UpscaleConfig, own: Size) -> Size:
    """The size (H, W) of the result. Raises ConfigError where that is too large, and MediaError for the encoder."""
    target = own[0] * config.times, own[1] * config.times
    if target[0] * target[1] > MAX_PIXELS:
        raise ConfigError(
            f"times: {target[1]}x{target[0]} are more than {MAX_PIXELS:,} pixels; the clip is {own[1]}x{own[0]}, take "
            "fewer --times."
        )
    check_size(config.codec, target)
    return target


def tile_side(config: UpscaleConfig, outline: Outline) -> int:
    """The side of a tile in latents: as asked for, or of the pictures that the model was trained on."""
    return max(
        1, (config.tile or native_side(outline.unet, outline.vae_scale_factor) or 512) // outline.vae_scale_factor
    )


def upscale_stages(config: UpscaleConfig, model: Model, footage: Footage, size: Size, side: int) -> Decode:
    """The frames, of a working ``size`` (H, W), seen in tiles of a ``side`` in latents, and all that they are made of.
    Raises ConfigError."""
    cell, kind, moments = model.outline.vae_scale_factor, config.attention or "", Moments(footage.frames, footage.rate)
    clip = footage.stage(config, size)
    latents, windows = Encode(clip, model), windows_of(config, footage.frames)
    prompt, negative = words_of(model.outline.tokenizer, config.prompt, config.negative_prompt)
    cells = size[0] // cell, size[1] // cell
    tiles_of(cells, side)  # which says what is wrong with it
    start = StartingNoise(
        latents, None, None, (), model, kind, config.prior, prompt, config.steps, 0, config.seed, windows=windows
    )
    denoised = DenoiseTiles(
        clip=clip,
        latents=latents,
        start=start,
        model=model,
        attention=kind,
        prompt=prompt,
        negative=negative,
        scale=tuple(config.per_frame("guidance", moments)),
        apg_eta=config.apg_eta,
        steps=config.steps,
        steps_taken=config.steps_taken,
        side=side,
        size=cells,
        net=tile_net(config, model.outline),
        shots=shots_stage(config, clip, footage),
        windows=windows,
    )
    return Decode(denoised, None, model, "enlarged clip", prompt)


def tile_net(config: UpscaleConfig, outline: Outline) -> ControlRun | None:
    """The ControlNet that is asked for, else the one that the model brings; None for none."""
    if config.tile_net == "none" or (config.tile_net == "auto" and KIND not in outline.notes.controls):
        return None
    return ControlRun(KIND, None if config.tile_net == "auto" else config.tile_net)
