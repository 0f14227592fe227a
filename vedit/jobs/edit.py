"""``vedit edit``: a clip and a prompt to an edited clip."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from vedit.backbone.model import Backbone
from vedit.clip import Clip
from vedit.config import IN_MEMORY, EditConfig, stretch_of
from vedit.config.options import EditOptions
from vedit.errors import ConfigError
from vedit.jobs import controls, edit_mask, first, guidance, key_frames, speed, summary
from vedit.jobs.arguments import clip_setting, given_model, job, job_config, mask_tensor
from vedit.jobs.base import Given, Goal, Job, opened, run
from vedit.jobs.edit_result import EditResult, FinishEdit
from vedit.jobs.edit_stages import EditStages
from vedit.jobs.outputs import check_files, default_output, write_result
from vedit.jobs.parts import source_prompt_of, suited, without_own_motion
from vedit.jobs.report import write_report
from vedit.jobs.shots import given_shots
from vedit.jobs.source import Footage
from vedit.jobs.windows import LEARNING, settle_windows
from vedit.motion.strokes import read_strokes
from vedit.progress import Progress
from vedit.session import Session
from vedit.sheet import contact_sheet
from vedit.stages import prompt_schedule, soundtrack

if TYPE_CHECKING:
    from vedit.printing import Report


BRANCHES = 3
"""Of an edit, together in one batch: the source, the negative prompt and the prompt."""


@job(EditConfig, "clip", "prompt")
def edit(
    backbone: Backbone | str | Path,
    clip: Clip | str | Path,
    prompt: str = "",
    *,
    progress: Progress | None = None,
    **settings: Unpack[EditOptions],
) -> EditResult:
    """Edit a clip with a new prompt.

    Nothing is written unless ``output``, ``sheet``, ``report`` or ``compare`` is given. A loaded backbone comes back as
    it was; threads that share one take turns.

    Args:
        backbone: a loaded model, or the name of one to load
        clip: a Clip, or the path of one
        prompt: what the edited clip shows; may be left out where ``first`` shows it
        progress: what is told of each step; None for nothing
        settings: the fields of EditConfig; ``mask`` may also be a tensor or an array (F or 1, 1, H, W) of any size,
            in [0, 1] or bool

    Raises:
        TypeError: for arguments of another kind
        ConfigError: for the settings
        VeditError: what reading, tuning, sampling and writing raise
    """
    told: dict[str, Any] = {**settings, "clip": clip_setting(clip, settings), "prompt": prompt}
    if (mask := mask_tensor(settings.get("mask"))) is not None:
        told["mask"] = str(IN_MEMORY)
    config = job_config(EditConfig, backbone, told)
    check_settings(config)
    given = Given(given_model(backbone), clip if isinstance(clip, Clip) else None, mask)
    return run(Edit(), config, given, progress)


class Edit(Job[EditConfig, EditResult]):
    """Without ``output``, "<clip>-edited.mp4" in the current folder."""

    def checked(self, config: EditConfig) -> EditConfig:
        if config.clip == IN_MEMORY:
            raise ConfigError("the clip of these settings was in memory, not in a file; give one with --set clip=PATH.")
        config = config.model_copy(update={"output": config.output or default_output(config.clip, "-edited.mp4")})
        check_settings(config)
        edit_mask.check(config)
        return config

    def goal(self, config: EditConfig, session: Session, given: Given) -> Goal[EditResult]:
        sound = soundtrack.read(config)
        footage = whole = Footage.of(config, given.clip)
        track = soundtrack.prepare(config, whole.frames, whole.rate, sound)
        if config.only is not None:
            footage = whole.stretch(_stretch(config, whole))
            track = track.stretch(slice(footage.begin, footage.begin + footage.frames))
        shots = None if config.shots == "auto" else given_shots(config, footage)
        first.placed(config, track.moments, footage.size)
        key_frames.check_count(config, footage)
        if given.backbone is None and config.key_frames is not None:
            config = without_own_motion(config)  # it joins frames that follow each other
        model = opened(config, session, given)
        config = suited(config, model.outline.notes.edit)
        size = whole.working_size(config, model.outline)
        config = config.model_copy(update={"source_prompt": source_prompt_of(config, model.outline)})
        branches = LEARNING if config.tune else BRANCHES
        if config.key_frames is None:
            config = settle_windows(config, footage.frames, size, model.outline, branches)
        else:
            key_frames.check(config, model.outline)
        guidance.check_times(config, track.moments, model.outline.tokenizer, shots)
        stages = EditStages(config, model, footage, size, track, given.mask)
        finish = FinishEdit.of(stages, given.clip)
        said = config.source_prompt or "", *prompt_schedule.prompts(config), config.negative_prompt
        prompt_schedule.hint_at_unknown(model.outline.tokenizer, *said)
        guidance.hint_at_sound_encoder(config, model.outline.notes.sound_encoder)
        speed.check_model(config, model.outline)
        return Goal(finish, finish.config, model, stages.canvas)

    def finish(self, config: EditConfig, result: EditResult, seconds: dict[str, float]) -> EditResult:
        files = write_result(result.video, result.config, result.made_with)
        if config.sheet is not None:
            source = result.working_source if config.only is None else result.source
            contact_sheet(source, result.video, config.sheet, overwrite=config.overwrite)
            files.append(config.sheet)
        if config.report is not None:
            files.append(write_report(config.report, result, result.source))
        if config.compare is not None:
            from vedit.compare import compare  # moviepy takes half a second to import

            layout, crf, overwrite = config.compare_layout, config.crf, config.overwrite
            compare(result.source, result.video, config.compare, layout=layout, crf=crf, overwrite=overwrite)
            files.append(config.compare)
        return replace(result, files=tuple(files), timings=seconds)

    def show(self, result: EditResult, report: Report) -> None:
        report.clip(result.video, result.files)
        config, video = result.config, result.video
        told = (*speed.sentences(config), *summary.of_time(config, video.rate, len(video)))
        measured = summary.sentences(result.metrics, checked=config.check_inversion, given=bool(config.first))
        for sentence in (*told, *measured):
            report.say(sentence)
        report.add_data(metrics=result.metrics, made_with=result.made_with)
        report.seconds(result.timings)


def _stretch(config: EditConfig, footage: Footage) -> slice:
    assert config.only is not None
    try:
        return stretch_of(config.only, footage.rate, footage.frames)
    except ValueError as error:
        raise ConfigError(f"only: {error}.") from error


def check_settings(config: EditConfig) -> None:
    """Find faults that show before a model is opened. Raises VeditError."""
    check_files(config)
    controls.check(config)
    guidance.check(config)
    speed.check(config)
    first.check(config)
    if config.motion_strokes is not None:
        read_strokes(config.motion_strokes)
