"""``vedit tune``: one-shot tuning on a clip, into a small adapter file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from vedit.adapters.tuned import Adapter
from vedit.attention.kinds import ATTENTION
from vedit.backbone.model import Backbone
from vedit.clip import Clip
from vedit.clip.images import list_pictures
from vedit.config import TuneConfig
from vedit.config.options import TuneOptions
from vedit.errors import MediaError
from vedit.graph import Stage
from vedit.graph.files import File
from vedit.jobs.arguments import clip_setting, given_model, job, job_config
from vedit.jobs.base import Given, Goal, Job, opened, run
from vedit.jobs.images import check_picture, words_beside
from vedit.jobs.outputs import check_output, default_output
from vedit.jobs.parts import attention_kind
from vedit.jobs.resources import Canvas
from vedit.jobs.shots import shots_stage
from vedit.jobs.source import Footage
from vedit.jobs.windows import LEARNING, settle_windows, windows_of
from vedit.progress import Progress
from vedit.session import Model, Session
from vedit.stages import prompt_schedule
from vedit.stages.flow import EstimateFlow
from vedit.stages.latents import Encode
from vedit.stages.tune import EncodeEach, Tune

if TYPE_CHECKING:
    from vedit.printing import Report


@dataclass(frozen=True)
class TuneResult:
    """What was learnt, and the file that holds it, if any."""

    adapter: Adapter
    output: Path | None


@job(TuneConfig, "clip", "prompt")
def tune(
    backbone: Backbone | str | Path,
    clip: Clip | str | Path,
    prompt: str,
    *,
    progress: Progress | None = None,
    **settings: Unpack[TuneOptions],
) -> Adapter:
    """Teach a model one clip (Tune-A-Video), and return what it learned: an adapter for ``load_backbone`` and ``edit``.

    ``backbone``: a loaded model, which comes back as it was, or the name of one to load. ``clip``: a Clip, or the path
    of one; ``prompt``: what it shows. The adapter is written only where ``output`` is given; a checkpoint then lies
    beside it while it works. Raises TypeError for arguments of another kind, ConfigError for the settings, and what
    reading, tuning and writing raise.
    """
    config = job_config(TuneConfig, backbone, {**settings, "clip": clip_setting(clip, settings), "prompt": prompt})
    if config.output is not None:
        config = TuneJob().checked(config)
    given = Given(given_model(backbone), clip if isinstance(clip, Clip) else None)
    return run(TuneJob(), config, given, progress).adapter


@dataclass(frozen=True)
class FinishTuning(Stage[TuneResult]):
    """What was learnt."""

    learnt: Tune

    def make(self, session: Session, learnt: Adapter) -> TuneResult:
        return TuneResult(learnt, None)


class TuneJob(Job[TuneConfig, TuneResult]):
    """Without ``output``, "<clip>.safetensors" in the current folder. A checkpoint lies beside the adapter while it
    works, so that the same command goes on where it was interrupted."""

    def checked(self, config: TuneConfig) -> TuneConfig:
        output = config.output or default_output(config.clip, ".safetensors")
        if output.suffix != ".safetensors":
            raise MediaError(f"{output}: an adapter is written as .safetensors.")
        check_output(output, config.files_read(), config.overwrite)
        return config.model_copy(update={"output": output})

    def goal(self, config: TuneConfig, session: Session, given: Given) -> Goal[TuneResult]:
        footage = Footage.of(config, given.clip)
        model = opened(config, session, given)
        size, kind = footage.working_size(config, model.outline), attention_kind(config, model.outline)
        prompt_schedule.hint_at_unknown(model.outline.tokenizer, config.prompt)
        config = settle_windows(config, footage.frames, size, model.outline, LEARNING)
        windows = windows_of(config, footage.frames)
        settings, clip = config.model_copy(update={"attention": kind}), footage.stage(config, size)
        learnt = Tune(
            clip,
            Encode(clip, model),
            EstimateFlow(clip) if "flow" in ATTENTION.load(kind).needs else None,
            model,
            config.prompt,
            config.steps,
            config.learning_rate,
            config.recipe,
            kind,
            config.seed,
            None if config.output is None else checkpoint_of(config.output),
            windows.size if windows else None,
            shots_stage(config, clip, footage),
            early_stop=config.early_stop,
            blocks=config.tuned_blocks,
        )
        if config.video_share < 1:
            learnt = replace(learnt, mix=config.video_share, **_beside(config, model))
        canvas = Canvas(footage.frames, size, footage.size, footage.whole, windows, footage.rate)
        return Goal(FinishTuning(learnt), settings, model, canvas)

    def finish(self, config: TuneConfig, result: TuneResult, seconds: dict[str, float]) -> TuneResult:
        if config.output is None:
            return result
        result.adapter.save(config.output, overwrite=config.overwrite)
        checkpoint_of(config.output).unlink(missing_ok=True)
        return TuneResult(result.adapter, config.output)

    def left_over(self, config: TuneConfig) -> Path | None:
        kept = None if config.output is None else checkpoint_of(config.output)
        return kept if kept and kept.exists() else None

    def show(self, result: TuneResult, report: Report) -> None:
        assert result.output is not None
        report.file(result.output, f"{result.output.stat().st_size / 1e6:.1f} MB")


def _beside(config: TuneConfig, model: Model) -> dict[str, Any]:
    """The pictures that are learnt beside the clip, if any, and what each shows: as arguments of ``Tune``. Raises
    MediaError."""
    if config.pictures is None:
        return {}
    files = list_pictures(config.pictures)
    for each in files:
        check_picture(each)
    told = words_beside(files, config.prompt)
    return {"pictures": EncodeEach(tuple(File.of(each) for each in files), config.size, model), "told": told}


def checkpoint_of(output: Path) -> Path:
    """Where a tuning that was interrupted is kept."""
    return output.with_suffix(".checkpoint.pt")
