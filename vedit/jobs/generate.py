"""``vedit generate``: a prompt, and a sound if there is one, to a clip."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from torch import Tensor

from vedit.attention.kinds import ATTENTION
from vedit.backbone.model import Backbone
from vedit.backbone.sizes import native_side
from vedit.clip import Audio, Clip
from vedit.clip.sizes import Size, fit_size
from vedit.config import AnimateConfig, GenerateConfig, GuidanceSettings
from vedit.config.options import GenerateOptions
from vedit.config.speed import LEVERS
from vedit.errors import ConfigError, VeditHint
from vedit.graph import Stage
from vedit.jobs import controls, ends, guidance, results, speed
from vedit.jobs.arguments import given_model, job, job_config
from vedit.jobs.base import Given, Goal, Job, opened, run
from vedit.jobs.ends import Ends
from vedit.jobs.outputs import check_files, write_result
from vedit.jobs.parts import DEFAULT_ATTENTION, attention_kind, suited
from vedit.jobs.report import write_report
from vedit.jobs.resources import Canvas
from vedit.jobs.strokes import field_of
from vedit.jobs.windows import settle_windows, windows_of
from vedit.motion.learnt.folder import LearntMotion
from vedit.motion.strokes import read_strokes
from vedit.priors import PRIORS
from vedit.progress import Progress
from vedit.session import Model, Session
from vedit.sheet import Row, sheet_of
from vedit.stages import prompt_schedule, soundtrack
from vedit.stages.clip import BlankClip
from vedit.stages.conditions import Conditioned
from vedit.stages.denoise import Denoise
from vedit.stages.ends import PutEnds
from vedit.stages.fifo import DenoiseQueue
from vedit.stages.guidance import Guidance
from vedit.stages.held import DenoiseHeld
from vedit.stages.latents import Decode
from vedit.stages.motion import DrawStrokes, FlowOfStrokes, StrokesFlow
from vedit.stages.noise import StartingNoise
from vedit.stages.soundtrack import Soundtrack
from vedit.stages.words import words_of
from vedit.timeline import Moments
from vedit.windows import WINDOW, Windows

if TYPE_CHECKING:
    from vedit.printing import Report

FRAMES = 16
"""How many frames there are where no sound says it."""


@dataclass(frozen=True, repr=False)
class GenerateResult(results.SavedClip):
    """A generated clip, and how it came about: see ``EditResult``."""

    clip: Clip
    config: GenerateConfig
    made_with: dict[str, str]
    moments: Moments = field(repr=False)
    timings: dict[str, float] = field(default_factory=dict)
    files: tuple[Path, ...] = field(default=())


@job(GenerateConfig, "prompt")
def generate(
    backbone: Backbone | str | Path,
    prompt: str,
    *,
    progress: Progress | None = None,
    **settings: Unpack[GenerateOptions],
) -> GenerateResult:
    """Make a clip from words, and a sound if there is one.

    Nothing is written unless ``output`` (or ``sheet``, ``report``) is given. A loaded backbone comes back as it was;
    threads that share one take turns.

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
    check_settings(config)
    return run(Generate(), config, Given(given_model(backbone)), progress)


@dataclass(frozen=True)
class FinishClip(Stage[GenerateResult]):
    """The clip that was asked for, with its sound."""

    frames: Stage[Tensor]
    model: Model
    config: GenerateConfig
    track: Soundtrack = field(compare=False)

    def make(self, session: Session, frames: Tensor) -> GenerateResult:
        clip = Clip(frames, self.track.moments.rate, self.track.audio, self.track.origin)
        return GenerateResult(clip, self.config, results.made_with(self.model), self.track.moments)


class Generate(Job[GenerateConfig, GenerateResult]):
    """Without ``output``, "generated.mp4" in the current folder."""

    def checked(self, config: GenerateConfig) -> GenerateConfig:
        config = config.model_copy(update={"output": config.output or Path("generated.mp4")})
        check_settings(config)
        return config

    def goal(self, config: GenerateConfig, session: Session, given: Given) -> Goal[GenerateResult]:
        sound = soundtrack.read(config)
        track = soundtrack.prepare(config, frames_of(config, sound), Fraction(str(config.fps)), sound)
        model, frames = opened(config, session, given), track.moments.frames
        config = suited(config, model.outline.notes.generate, LEVERS if config.fifo else ())
        # Where the last frame is given too, each frame looks at both.
        kind = attention_kind(config, model.outline, DEFAULT_ATTENTION if config.last is None else "full")
        size = size_of(config, model.outline.unet, model.outline.vae_scale_factor)
        config = config.model_copy(update={"attention": kind, "frames": frames})
        if config.loop and model.outline.layers.positions:
            raise ConfigError("loop: the adapter has learnt which frame is the first, and a loop has none; leave one.")
        if not config.fifo:
            config = settle_windows(config, frames, size, model.outline, branches=2)
        guidance.check_times(config, track.moments, model.outline.tokenizer)
        finish = FinishClip(generate_stages(config, model, track, size), model, config, track)
        said = *prompt_schedule.prompts(config), config.negative_prompt
        prompt_schedule.hint_at_unknown(model.outline.tokenizer, *said)
        guidance.hint_at_sound_encoder(config, model.outline.notes.sound_encoder)
        speed.check_model(config, model.outline)
        shorten = "take fewer --frames, or a smaller --width and --height"
        windows, queued = (None, min(queue_size(config), frames)) if config.fifo else (windows_of(config, frames), None)
        canvas = Canvas(frames, size, size, None, windows, track.moments.rate, queued)
        return Goal(finish, config, model, canvas, shorten)

    def finish(self, config: GenerateConfig, result: GenerateResult, seconds: dict[str, float]) -> GenerateResult:
        """Where the beats are followed, the sheet shows the frames on them and those half-way between them too."""
        files = write_result(result.clip, result.config, result.made_with)
        if config.sheet is not None:
            clip = result.clip
            rows = [Row("generated", clip)]
            beats = result.moments.on_beats() if guidance.follows_beats(config) else []
            if len(beats) > 1:
                between = [(one + other + 1) // 2 for one, other in pairwise(beats)]
                rows += [Row("on the beats", clip, beats[:-1]), Row("between them", clip, between)]
            sheet_of(rows, config.sheet, overwrite=config.overwrite)
            files.append(config.sheet)
        if config.report is not None:
            files.append(write_report(config.report, result))
        return replace(result, files=tuple(files), timings=seconds)

    def show(self, result: GenerateResult, report: Report) -> None:
        report.clip(result.clip, result.files)
        for sentence in speed.sentences(result.config):
            report.say(sentence)
        report.add_data(made_with=result.made_with)
        report.seconds(result.timings)


def generate_stages(config: GenerateConfig, model: Model, track: Soundtrack, size: Size) -> Stage[Tensor]:
    """The frames, of a ``size`` (H, W), and all that they are made of. Raises ConfigError."""
    moments, cell, kind = track.moments, model.outline.vae_scale_factor, config.attention or ""
    windows = queue_windows(config, moments.frames) if config.fifo else windows_of(config, moments.frames)
    prompt, negative = words_of(model.outline.tokenizer, config.prompt, config.negative_prompt)
    sound = guidance.sound_tokens(config, model, track)
    blank = BlankClip(moments.frames, size, moments.rate)
    conditions = (*controls.asked(config, None, blank, moments, model), *sound)
    needs = ATTENTION.load(kind).needs | PRIORS.load(config.prior).needs
    flow: FlowOfStrokes | None = None
    motion: StrokesFlow | None = None
    if config.motion_strokes is not None:
        between, _ = field_of(config, LearntMotion(None, None), picture=False)
        motion = StrokesFlow(None, DrawStrokes.of(config.motion_strokes, size, moments), between)
        conditions = (*conditions, Conditioned(None, "strokes", {"file": config.motion_strokes}, moments, model))
        flow = FlowOfStrokes(motion) if "flow" in needs else None
    led = Guidance(
        config.part(GuidanceSettings), prompt, negative, moments, track.timed_sound, bool(sound),
        model.outline.embeds_guidance,
    )  # fmt: skip
    walk, shape = tuple(config.per_frame("noise_walk", moments)), (moments.frames, 4, size[0] // cell, size[1] // cell)
    given = Ends.of(config, shape, size)
    start = StartingNoise(
        None, None, flow, (), model, kind, config.prior, prompt, config.steps, 0, config.seed, walk, shape,
        windows, motion=motion if PRIORS.load(config.prior).heeds_things else None,
    )  # fmt: skip
    common: dict[str, Any] = {
        "start": start,
        "flow": flow,
        "conditions": conditions,
        "model": model,
        "attention": kind,
        "guidance": led,
        "steps": config.steps,
        "steps_taken": config.steps,
        "motion_scale": guidance.motion_scale(config, model.outline, moments),
        "sampler": config.sampler,
        "deep_cache": config.deep_cache,
        "windows": windows,
        "loop": config.loop,
        "strided": motion is None,  # strokes say where things are
        "what": "clip",
    }
    if given is not None:
        held = DenoiseHeld(latents=given.latents(model), until=given.until(), **common)
        return PutEnds(Decode(held, start, model, "clip", prompt), given.pictures, given.at)
    queued = DenoiseQueue(frames=moments.frames, at_once=queue_size(config), **common) if config.fifo else None
    return Decode(queued or Denoise(**common), start, model, "clip", prompt)


def queue_size(config: GenerateConfig) -> int:
    """How many frames of a queue are seen at once."""
    return config.window or WINDOW


def queue_windows(config: GenerateConfig, frames: int) -> Windows | None:
    """How a queue's frames are seen, in windows that share hardly any; None where they are all seen at once."""
    at_once = queue_size(config)
    return None if frames <= at_once else Windows(at_once, 1)


def check_settings(config: GenerateConfig) -> None:
    """Find faults that show before a model is opened. Raises VeditError."""
    check_files(config)
    controls.check(config, clip=False)
    ends.check(config)
    guidance.check(config)
    missing = {"clip"} if config.motion_strokes is not None else {"clip", "flow"}
    if PRIORS.load(config.prior).needs & missing:
        raise ConfigError(
            f"the prior {config.prior} starts from a clip, and none is given; take shared, walk, gaussian or "
            "reshuffled, or flow_warped or bounce with --motion-strokes."
        )
    speed.check(config)
    if config.motion_strokes is not None:
        read_strokes(config.motion_strokes).refuse_words()
    elif config.attention is not None and "flow" in ATTENTION.load(config.attention).needs:
        raise ConfigError(f"the attention kind {config.attention} follows a clip's motion, and no clip is given.")


def frames_of(config: GenerateConfig | AnimateConfig, sound: Audio | None) -> int:
    """The number of frames: as set, else as long as the excerpt of the sound."""
    if config.frames is not None or sound is None:
        return config.frames or FRAMES
    return soundtrack.frame_count(config, sound, Fraction(str(config.fps)))


def size_of(config: GenerateConfig, unet_config: Mapping[str, Any], vae_scale_factor: int) -> Size:
    """The size (H, W) of the pictures, in whole patches: as asked for, or what the model was trained at, in the
    proportions of a picture that is given."""
    side, shown = native_side(unet_config, vae_scale_factor) or 512, ends.size_of(config)
    if shown is not None and config.height is None and config.width is None:
        return fit_size(shown, side, multiple=vae_scale_factor)
    height, width = config.height or config.width or side, config.width or config.height or side
    size = fit_size((height, width), max(height, width), multiple=vae_scale_factor)
    if size != (height, width) and (config.height, config.width) != (None, None):
        warnings.warn(
            f"the model makes pictures in steps of {vae_scale_factor} pixels, so this one is {size[1]}x{size[0]}",
            VeditHint,
            stacklevel=2,
        )
    return size
