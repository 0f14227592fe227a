"""``vedit animate``: a picture, and strokes that say where things go, to a clip."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

from torch import Tensor

from vedit.attention.kinds import ATTENTION
from vedit.backbone.model import Backbone
from vedit.backbone.sizes import working_size
from vedit.clip import Audio, Clip, probe
from vedit.clip.images import picture_facts
from vedit.clip.sizes import Size
from vedit.config import IN_MEMORY, AnimateConfig, GuidanceSettings
from vedit.config.animate import STILL_HOLD
from vedit.config.options import AnimateOptions
from vedit.errors import ConfigError, VeditWarning
from vedit.graph import Stage
from vedit.graph.files import File
from vedit.jobs import controls, guidance, results, speed
from vedit.jobs.arguments import given_model, job, job_config
from vedit.jobs.base import Given, Goal, Job, opened, run
from vedit.jobs.generate import FRAMES, frames_of
from vedit.jobs.images import check_picture
from vedit.jobs.motion import check_motion, flow_diffusion, is_told
from vedit.jobs.outputs import check_files, default_output, write_result
from vedit.jobs.parts import attention_kind, without_own_motion
from vedit.jobs.report import write_report
from vedit.jobs.resources import Canvas
from vedit.jobs.strokes import control_of, field_of, learnt_motion, with_words
from vedit.jobs.windows import settle_windows, windows_of
from vedit.masks import edited_share, paste
from vedit.motion.dense import DenseFlow
from vedit.motion.first_frame import keep_first
from vedit.motion.strokes import Drawn, read_strokes
from vedit.priors import PRIORS
from vedit.progress import Progress
from vedit.session import Model, Session
from vedit.sheet import Row, sheet_of
from vedit.stages import prompt_schedule, soundtrack
from vedit.stages.animate import Hold, HoldAnimation
from vedit.stages.borrowed import BorrowMotion
from vedit.stages.conditions import MotionControl
from vedit.stages.generated import GenerateMotion
from vedit.stages.guidance import Guidance
from vedit.stages.held import DenoiseHeld
from vedit.stages.latents import Decode, DoubtPicture, Encode
from vedit.stages.motion import CrudeAnimation, DrawStrokes, FlowOfStrokes, GivenPicture, ReadPicture, StrokesFlow
from vedit.stages.noise import StartingNoise
from vedit.stages.roll_out import DenoiseRollOut
from vedit.stages.sampling import Sampling
from vedit.stages.soundtrack import Soundtrack
from vedit.stages.words import Words, words_of
from vedit.timeline import Moments

if TYPE_CHECKING:
    from vedit.printing import Report


@dataclass(frozen=True, repr=False)
class AnimateResult(results.SavedClip):
    """A picture set in motion, and how it came about: see ``EditResult``.

    Attributes:
        crude: the picture cut and dragged along the strokes, which the model has made natural
        motion: where each pixel goes
    """

    clip: Clip
    config: AnimateConfig
    made_with: dict[str, str]
    crude: Clip = field(repr=False)
    motion: DenseFlow = field(repr=False)
    timings: dict[str, float] = field(default_factory=dict)
    files: tuple[Path, ...] = field(default=())


@job(AnimateConfig, "picture")
def animate(
    backbone: Backbone | str | Path,
    picture: Clip | str | Path,
    *,
    progress: Progress | None = None,
    **settings: Unpack[AnimateOptions],
) -> AnimateResult:
    """Set a picture in motion, along the strokes of a file.

    Nothing is written unless ``output`` (or ``sheet``, ``report``) is given. A loaded backbone comes back as it was;
    threads that share one take turns.

    Args:
        backbone: a loaded model, or the name of one to load
        picture: the path of one, or a Clip, whose first frame it is
        progress: what is told of each step; None for nothing
        settings: the fields of AnimateConfig

    Raises:
        TypeError: for arguments of another kind
        ConfigError: for the settings
        VeditError: what reading, sampling and writing raise
    """
    there = picture if isinstance(picture, Clip) else None
    told: dict[str, Any] = {**settings, "picture": str(IN_MEMORY) if there is not None else picture}
    config = job_config(AnimateConfig, backbone, told)
    check_settings(config)
    return run(Animate(), config, Given(given_model(backbone), there), progress)


@dataclass(frozen=True)
class FinishAnimation(Stage[AnimateResult]):
    """The clip that was asked for: its first frame the picture, with its sound.

    Its inputs are made in their order: what may turn out to be wrong comes before what takes long.
    """

    doubt: DoubtPicture
    picture: Stage[Tensor]
    motion: Stage[DenseFlow]
    crude: Stage[Clip]
    until: HoldAnimation
    frames: Decode
    model: Model
    config: AnimateConfig
    loop: bool
    track: Soundtrack = field(compare=False)

    version: ClassVar[int] = 2

    def scratch(self, frames: int, size: Size, cell: int) -> int:
        """The frames as they are pasted, by how much each pixel changes, and which share of it is the model's."""
        return frames * size[0] * size[1] * (3 + 2) * 4 if self.config.paste else 0

    def make(
        self,
        session: Session,
        doubt: None,
        picture: Tensor,
        motion: DenseFlow,
        crude: Clip,
        until: Tensor,
        frames: Tensor,
    ) -> AnimateResult:
        for note in motion.notes:
            warnings.warn(note, VeditWarning, stacklevel=2)
        if self.config.paste:
            frames = paste(frames, crude.frames, edited_share(frames, crude.frames, (until < 1).float()))
        if self.config.keep_first:
            frames = keep_first(frames, picture, motion, loop=self.loop)
        clip = Clip(frames, self.track.moments.rate, self.track.audio, self.track.origin)
        return AnimateResult(clip, self.config, results.made_with(self.model), crude, motion)


class Animate(Job[AnimateConfig, AnimateResult]):
    """Without ``output``, "<picture>-animated.mp4" in the current folder."""

    def checked(self, config: AnimateConfig) -> AnimateConfig:
        if config.picture == IN_MEMORY:
            raise ConfigError(
                "the picture of these settings was in memory, not in a file; give one with --set picture=PATH."
            )
        output = config.output or default_output(config.picture, "-animated.mp4")
        config = config.model_copy(update={"output": output})
        check_settings(config)
        return config

    def goal(self, config: AnimateConfig, session: Session, given: Given) -> Goal[AnimateResult]:
        sound = soundtrack.read(config)
        own = picture_facts(config.picture)[0] if given.clip is None else given.clip.size
        config = config.model_copy(update={"frames": _frames(config, sound)})
        track = soundtrack.prepare(config, frames_of(config, sound), Fraction(str(config.fps)), sound)
        if given.backbone is None and is_told(config, session.open(config).outline):
            config = without_own_motion(config)  # frames are joined along what is told, which it would even out
        model, moments = opened(config, session, given), track.moments
        size = working_size(own, config.size, model.outline.unet, model.outline.vae_scale_factor)
        kind = attention_kind(config, model.outline)
        config = config.model_copy(update={"attention": kind, "frames": moments.frames})
        if config.motion_control != "roll_out":
            config = settle_windows(config, moments.frames, size, model.outline, branches=2)
        guidance.check_times(config, moments, model.outline.tokenizer)
        picture: Stage[Tensor]
        if given.clip is None:
            picture = ReadPicture(File.of(config.picture), size)
        else:
            picture = GivenPicture(given.clip.frames[0], size)
        finish = animate_stages(config, model, track, picture, size, own)
        prompt_schedule.hint_at_unknown(
            model.outline.tokenizer, *prompt_schedule.prompts(config), config.negative_prompt
        )
        guidance.hint_at_sound_encoder(config, model.outline.notes.sound_encoder)
        speed.check_model(config, model.outline)
        canvas = Canvas(moments.frames, size, size, None, windows_of(config, moments.frames), moments.rate)
        return Goal(finish, config, model, canvas, "take fewer --frames, or a smaller --size")

    def finish(self, config: AnimateConfig, result: AnimateResult, seconds: dict[str, float]) -> AnimateResult:
        files = write_result(result.clip, result.config, result.made_with)
        if config.sheet is not None:
            rows = [Row("dragged", result.crude), Row("animated", result.clip)]
            sheet_of(rows, config.sheet, overwrite=config.overwrite)
            files.append(config.sheet)
        if config.report is not None:
            files.append(write_report(config.report, result))
        return replace(result, files=tuple(files), timings=seconds)

    def show(self, result: AnimateResult, report: Report) -> None:
        report.clip(result.clip, result.files)
        for sentence in speed.sentences(result.config):
            report.say(sentence)
        report.add_data(made_with=result.made_with)
        report.seconds(result.timings)


def animate_stages(
    config: AnimateConfig, model: Model, track: Soundtrack, picture: Stage[Tensor], size: Size, own: Size
) -> FinishAnimation:
    """The clip, of a ``size`` (H, W), and all that it is made of; ``own`` is the size of the picture's file. Raises
    ConfigError."""
    moments, kind = track.moments, config.attention or ""
    drawn, loop = _strokes(config, model, picture, size, own, moments)
    learnt, words = learnt_motion(config, model.outline), flow_diffusion(config, model.outline)
    (between, network), (how, net) = field_of(config, learnt), control_of(config, learnt, words=words is not None)
    prompt, negative = words_of(model.outline.tokenizer, config.prompt, config.negative_prompt)
    motion: Stage[DenseFlow] = StrokesFlow(picture, drawn, between, network)
    if words is not None:
        motion = GenerateMotion(picture, model, words, prompt, moments.frames, config.seed)
    crude = CrudeAnimation(picture, motion, moments.rate)
    needs = ATTENTION.load(kind).needs | PRIORS.load(config.prior).needs
    flow = FlowOfStrokes(motion) if "flow" in needs else None
    sound = guidance.sound_tokens(config, model, track)
    conditions = (*controls.asked(config, crude, crude, moments, model), *sound)
    led = Guidance(
        config.part(GuidanceSettings), prompt, negative, moments, track.timed_sound, bool(sound),
        model.outline.embeds_guidance,
    )  # fmt: skip
    common: dict[str, Any] = {
        "start": _start(config, model, flow, motion, prompt, moments, size),
        "flow": flow,
        "model": model,
        "attention": kind,
        "guidance": led,
        "steps": config.steps,
        "steps_taken": config.steps_taken,
        "motion_scale": guidance.motion_scale(config, model.outline, moments),
        "sampler": config.sampler,
        "deep_cache": config.deep_cache,
        "what": "animation",
    }
    told = is_told(config, model.outline)
    still = config.still_hold if config.still_hold is not None else (1.0 if told else STILL_HOLD)
    hold = Hold(config.motion_hold, still, config.keep_first)
    until = HoldAnimation(motion, hold, model.outline.vae_scale_factor)
    denoised: Sampling
    if how == "roll_out" and net is not None:
        denoised = DenoiseRollOut(
            conditions=conditions, windows=None, picture=picture, motion=motion, drawn=drawn, field=between,
            network=network, net=net, frames=moments.frames, hold=hold, **common,
        )  # fmt: skip
    else:
        drawing = () if net is None else (MotionControl(picture, motion, net, model),)
        windows = windows_of(config, moments.frames)
        denoised = DenoiseHeld(
            conditions=(*conditions, *drawing),
            windows=windows,
            latents=Encode(crude, model),
            until=until,
            **common,
        )
    frames = Decode(denoised, None, model, "animation", prompt)
    doubt = DoubtPicture(picture, model, "picture")
    return FinishAnimation(doubt, picture, motion, crude, until, frames, model, config, loop, track)


def _strokes(
    config: AnimateConfig, model: Model, picture: Stage[Tensor], size: Size, own: Size, moments: Moments
) -> tuple[Stage[Drawn], bool]:
    """What is drawn or borrowed of where things go, and whether the last frame leads to the first."""
    if config.motion_of is not None:
        return BorrowMotion.of(config.motion_of, config.motion_mask, picture, size, own, moments), False
    drawn = DrawStrokes.of(config.motion_strokes, size, moments)
    return with_words(drawn, picture, model, config.prompt, "--prompt", config.seed), drawn.strokes.loop


def _start(
    config: AnimateConfig,
    model: Model,
    flow: FlowOfStrokes | None,
    motion: Stage[DenseFlow],
    prompt: Words,
    moments: Moments,
    size: Size,
) -> StartingNoise:
    """What sampling starts from."""
    return StartingNoise(
        None, None, flow, (), model, config.attention or "", config.prior, prompt, config.steps, 0, config.seed,
        tuple(config.per_frame("noise_walk", moments)), _latent_shape(moments, model, size),
        motion=motion if PRIORS.load(config.prior).heeds_things else None,
    )  # fmt: skip


def _frames(config: AnimateConfig, sound: Audio | None) -> int | None:
    """How many frames are asked for: as set, else, where no sound says it, as many as the strokes are drawn for, or as
    the clip has whose motion is borrowed, up to the number by default."""
    if config.frames is not None or sound is not None:
        return config.frames
    if config.motion_of is not None:
        lasts = round(Fraction(probe(config.motion_of).duration) * Fraction(str(config.fps)))
        return max(2, lasts) if lasts < FRAMES else None
    return None if config.motion_strokes is None else read_strokes(config.motion_strokes).frames


def _latent_shape(moments: Moments, model: Model, size: Size) -> tuple[int, int, int, int]:
    cell = model.outline.vae_scale_factor
    return moments.frames, 4, size[0] // cell, size[1] // cell


def check_settings(config: AnimateConfig) -> None:
    """Find faults that show before a model is opened. Raises VeditError."""
    check_files(config)
    if config.picture != IN_MEMORY:
        check_picture(config.picture)
    if config.motion_strokes is not None:
        read_strokes(config.motion_strokes)
    check_motion(config)
    controls.check(config)
    guidance.check(config)
    speed.check(config)
    if "clip" in PRIORS.load(config.prior).needs:
        raise ConfigError(
            f"the prior {config.prior} starts from a clip, and a picture is given; take flow_warped, bounce, shared, "
            "walk or gaussian."
        )
