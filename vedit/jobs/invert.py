"""``vedit invert``: a clip inverted and sampled back, and how close that comes to it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from torch import Tensor

from vedit.attention.kinds import ATTENTION
from vedit.backbone.model import Backbone
from vedit.clip import Clip
from vedit.clip.lazy import LazyClip
from vedit.config import InvertConfig
from vedit.config.options import InvertOptions
from vedit.graph import Stage
from vedit.jobs import results
from vedit.jobs.arguments import clip_setting, given_model, job, job_config
from vedit.jobs.base import Given, Goal, Job, opened, run
from vedit.jobs.outputs import check_video
from vedit.jobs.parts import attention_kind, source_prompt_of
from vedit.jobs.resources import Canvas
from vedit.jobs.shots import shots_stage
from vedit.jobs.source import Footage
from vedit.jobs.windows import settle_windows, windows_of
from vedit.progress import Progress
from vedit.quality import Fidelity, fidelity, warn_if_foreign, warn_if_poor
from vedit.session import Model, Session
from vedit.stages import prompt_schedule
from vedit.stages.flow import EstimateFlow
from vedit.stages.latents import Decode, Encode, RoundTrip
from vedit.stages.noise import Reconstruct, StartingNoise
from vedit.stages.words import Words

if TYPE_CHECKING:
    from vedit.printing import Report


@dataclass(frozen=True)
class InvertResult:
    """A clip reconstructed from its inversion, how near it comes to the source, and how near the VAE alone would."""

    video: LazyClip
    reconstruction: Fidelity
    vae: Fidelity
    output: Path | None = None

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
    config = job_config(InvertConfig, backbone, {**settings, "clip": clip_setting(clip, settings)})
    given = Given(given_model(backbone), clip if isinstance(clip, Clip) else None)
    return run(Invert(), Invert().checked(config), given, progress)


@dataclass(frozen=True)
class FinishInversion(Stage[InvertResult]):
    """How close a reconstruction comes."""

    clip: Stage[Clip]
    round_trip: RoundTrip
    frames: Decode
    model: Model
    prompted: bool
    footage: Footage = field(compare=False)

    def make(self, session: Session, clip: Clip, round_trip: Fidelity, frames: Tensor) -> InvertResult:
        outline = self.model.outline
        warn_if_foreign(outline, round_trip)
        found = fidelity(frames, clip.frames)
        warn_if_poor(found, round_trip, prompted=self.prompted, tuned=bool(outline.tuned.digest))
        return InvertResult(LazyClip.of(clip.with_frames(frames), self.footage.size), found, round_trip)


class Invert(Job[InvertConfig, InvertResult]):
    """The reconstruction is written only where ``output`` is given."""

    def checked(self, config: InvertConfig) -> InvertConfig:
        check_video(config)
        return config

    def goal(self, config: InvertConfig, session: Session, given: Given) -> Goal[InvertResult]:
        footage = Footage.of(config, given.clip)
        model = opened(config, session, given)
        size, kind = footage.working_size(config, model.outline), attention_kind(config, model.outline)
        config = settle_windows(config, footage.frames, size, model.outline, branches=1)
        windows, prompt = windows_of(config, footage.frames), source_prompt_of(config, model.outline)
        prompt_schedule.hint_at_unknown(model.outline.tokenizer, prompt)
        clip = footage.stage(config, size)
        shots = shots_stage(config, clip, footage)
        latents, words = Encode(clip, model), Words(prompt)
        flow = EstimateFlow(clip) if "flow" in ATTENTION.load(kind).needs else None
        start = StartingNoise(
            latents, None, flow, (), model, kind, "inversion", words, config.steps, config.inversion_corrections,
            windows=windows, shots=shots,
        )  # fmt: skip
        again = Reconstruct(start, None, flow, (), config.steps, shots)
        frames, round_trip = Decode(again, None, model, "reconstruction", words), RoundTrip(clip, latents, model)
        finish = FinishInversion(clip, round_trip, frames, model, bool(prompt), footage)
        settings = config.model_copy(update={"attention": kind})
        return Goal(
            finish, settings, model, Canvas(footage.frames, size, footage.size, footage.whole, windows, footage.rate)
        )

    def finish(self, config: InvertConfig, result: InvertResult, seconds: dict[str, float]) -> InvertResult:
        if config.output is None:
            return result
        result.video.save(config.output, crf=config.crf, codec=config.codec, overwrite=config.overwrite)
        return replace(result, output=config.output)

    def show(self, result: InvertResult, report: Report) -> None:
        found = {"VAE round trip": result.vae, "reconstruction": result.reconstruction}
        rows = [[name, f"{it.db:.2f}", f"{it.worst:.2f}"] for name, it in found.items()]
        report.table(rows, head=["", "dB", "worst frame"])
        measured = {"vae_db": result.vae.db, "reconstruction_db": result.reconstruction.db}
        worst = {"vae_worst_db": result.vae.worst, "reconstruction_worst_db": result.reconstruction.worst}
        report.add_data(metrics=measured | worst)
        if result.output is not None:
            report.file(result.output)
