"""``vedit edit``: a clip and a prompt to an edited clip."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Unpack

from torch import Tensor

from vedit.backbone.model import Backbone
from vedit.clip import Audio, Clip
from vedit.clip.lazy import LazyClip, MakeFrames
from vedit.clip.sizes import Size
from vedit.config import IN_MEMORY, EditConfig
from vedit.config.options import EditOptions
from vedit.errors import ConfigError, MediaError
from vedit.graph import Run
from vedit.masks import LatentBlend, paste
from vedit.pipelines import controls, edit_mask, guidance, prompt_schedule, results, soundtrack
from vedit.pipelines.arguments import clip_setting, job, job_config, loaded_model, mask_tensor
from vedit.pipelines.edit_stages import edit_stages
from vedit.pipelines.execution import Timings, provenance, result_store, warn_of_other_model
from vedit.pipelines.outputs import check_files, default_output, write_result
from vedit.pipelines.sanity import warn_if_degenerate
from vedit.pipelines.session import (
    attention_kind,
    check_resources,
    clip_facts,
    reopen,
    source_prompt_of,
    source_stage,
    with_adapter,
)
from vedit.priors.inversion import correction_size
from vedit.progress import Progress
from vedit.quality import check_finite, fidelity, is_doubtful, warn_if_foreign, warn_if_poor
from vedit.sampling import InjectionSource, denoise
from vedit.session import Session
from vedit.sheet import contact_sheet


@dataclass(frozen=True)
class EditResult:
    """An edited clip, and how it came about.

    Attributes:
        video: the edited clip at the size of the source, made frame by frame when it is written or asked for (of an
            edited file, the source's pixels are read from it again then)
        config: all settings, with the words and the attention kind that were left to vedit filled in
        timings: seconds by stage
        metrics: what the VAE's round trip keeps of the source ("vae_db"); how far the steps of the inversion had to be
            corrected ("inversion_correction") and, only where that leaves its quality in doubt and ``check_inversion``
            is on, how well the source is reconstructed from it ("reconstruction_db"); with a mask, the share of the
            frames that the edit may change ("edited_share", 0 to 1), and how well the pixels that it leaves alone, away
            from its soft edge, are kept by the edit ("outside_db") and by the VAE's round trip ("outside_vae_db"); and
            the same of the pixels that the edit may change ("inside_db", "inside_vae_db"), which are all without a
            mask: the lower the first, the more it changed
        made_with: the model's fingerprint, the device, the versions
        source: what was edited, at its own size, read from its file again when it is first asked for
        files: what was written, the video first
    """

    video: LazyClip
    config: EditConfig
    timings: dict[str, float]
    metrics: dict[str, float]
    made_with: dict[str, str]
    open_source: Callable[[], LazyClip]
    files: tuple[Path, ...] = field(default=())

    @cached_property
    def clip(self) -> Clip:
        """The edited clip, whole in memory."""
        return self.video.whole()

    @cached_property
    def source(self) -> LazyClip:
        return self.open_source()

    def save(self, path: str | Path, *, overwrite: bool = False) -> tuple[Path, ...]:
        """Write the clip as `vedit edit` does, and beside it the settings that `vedit rerun` takes.

        Returns:
            The files, the clip first.

        Raises:
            MediaError: where they cannot be written
            ConfigError: where they would replace what is read
        """
        return results.save(self.video, self.config, "edit", self.made_with, path, overwrite)

    def __repr__(self) -> str:
        return results.one_line("EditResult", self.video, self.config.prompt, self.timings)

    def _repr_html_(self) -> str:
        try:
            source = self.source
        except MediaError:  # its file is gone, and the edit may be shown all the same
            source = None
        return results.html(self.video, source)


@job(EditConfig, "clip", "prompt")
def edit(
    backbone: Backbone | str | Path,
    clip: Clip | str | Path,
    prompt: str,
    *,
    progress: Progress | None = None,
    **settings: Unpack[EditOptions],
) -> EditResult:
    """Edit a clip with a new prompt.

    Nothing is written unless ``output``, ``sheet`` or ``compare`` is given. A loaded backbone comes back as it was;
    threads that share one take turns.

    Args:
        backbone: a loaded model, or the name of one to load
        clip: a Clip, or the path of one
        prompt: what the edited clip shows
        progress: what is told of each step; None for nothing
        settings: the fields of EditConfig; ``mask`` may also be a tensor or an array (F or 1, 1, H, W) of any size,
            in [0, 1] or bool

    Raises:
        TypeError: for arguments of another kind
        ConfigError: for the settings
        VeditError: what reading, tuning, sampling and writing raise
    """
    given: dict[str, Any] = {**settings, "clip": clip_setting(clip, settings), "prompt": prompt}
    if (mask := mask_tensor(settings.get("mask"))) is not None:
        given["mask"] = str(IN_MEMORY)
    config = job_config(EditConfig, backbone, given)
    check_files(config)
    controls.check(config)
    guidance.check(config)
    return _run(config, backbone, clip if isinstance(clip, Clip) else None, mask, progress)


def run(config: EditConfig, progress: Progress | None = None, *, made_with: str = "") -> EditResult:
    """All of ``vedit edit``, from settings to files. Without ``output``, "<clip>-edited.mp4" in the current folder.

    ``made_with``: the fingerprint of the model that a result to be repeated was made with; another is warned of.
    """
    return _run(checked(config), progress=progress, made_with=made_with)


def checked(config: EditConfig) -> EditConfig:
    """The config with its output named, once everything that it asks for can be written. Raises as ``run`` does."""
    if config.clip == IN_MEMORY:
        raise ConfigError("the clip of these settings was in memory, not in a file; give one with --set clip=PATH.")
    config = config.model_copy(update={"output": config.output or default_output(config.clip, "-edited.mp4")})
    check_files(config)
    edit_mask.check(config)
    controls.check(config)
    guidance.check(config)
    return config


def _run(
    config: EditConfig,
    backbone: Backbone | str | Path | None = None,
    clip: Clip | None = None,
    mask: Tensor | None = None,
    progress: Progress | None = None,
    made_with: str = "",
) -> EditResult:
    """An edit of ``clip``, or of the file that the config names, by ``backbone``, or by the model that it names."""
    sound = soundtrack.read(config)  # before the model is loaded, which takes its time
    size, frames = clip_facts(config, clip)
    model = loaded_model(config.model if backbone is None else backbone, config)
    check_resources(config, frames, size, model)
    with with_adapter(config, model):
        session = Session(progress)
        made = Run(session, result_store(config.cache))
        source = made(source_stage(config, clip, size, model))
        result = _edit(config, source, size, model, session, made, made_with, mask, clip, sound)
    return _write(result, source)


def _edit(
    config: EditConfig,
    source: Clip,
    size: Size,
    backbone: Backbone,
    session: Session,
    made: Run,
    made_with: str,
    mask: Tensor | None,
    original: Clip | None,
    sound: Audio | None,
) -> EditResult:
    """The edit itself: ``source`` at the working size in, a clip of ``size`` (H, W) out. ``original``: the source
    at that size, where it is in memory; ``sound``: all of the sound that is followed, where it is read already."""
    source_prompt = source_prompt_of(config, backbone)
    fingerprint = backbone.state_fingerprint()
    warn_of_other_model(config.model, made_with, backbone)
    # A word that is not there is told before anything is paid for.
    edit_mask.mask_tokens(config, source_prompt, backbone)
    prompt_schedule.hint_at_unknown(
        backbone.tokenizer, source_prompt, *prompt_schedule.prompts(config), config.negative_prompt
    )
    guidance.hint_at_sound_encoder(config, backbone.notes.sound_encoder)
    kind = attention_kind(config, backbone)
    config = config.model_copy(update={"source_prompt": source_prompt, "attention": kind})
    track = soundtrack.prepare(config, len(source), source.rate, sound)
    motion = guidance.motion_scale(config, backbone, track)
    model = session.hold(backbone)
    stages = edit_stages(config, source_stage(config, original, size, backbone), track.moments, model, backbone)
    stage = Timings(backbone.device, made.seconds)

    flow = made(stages.flow) if stages.flow else None
    adapter = made(stages.tuned) if stages.tuned else None
    latents = made(stages.latents)
    vae_fidelity = made(stages.round_trip)
    warn_if_foreign(backbone, vae_fidelity)
    metrics = {"vae_db": vae_fidelity.db}
    difference = made(stages.differences)[0] if stages.differences else None
    defaults = made(stages.default_controls) if stages.default_controls else ()
    asked = tuple(each for some in stages.asked for each in made(some))
    used = backbone.notes.edit_controls if defaults else config.control or ()
    config = config.model_copy(update={"control": used})
    conditions = defaults + asked
    with session.working(model, kind, adapter=adapter, flow=flow):
        latents = latents.to(backbone.device)
        text, prompt, negative = (each.embedded(backbone) for each in stages.words)
        guider = guidance.guider(config, backbone, track, prompt, negative)
        sound_conditions = guidance.sound_conditions(config, backbone, track)
        # Where two prompts differ is no answer to where what a sound says may be seen: that is anywhere.
        if edit_mask.applies(config, source_prompt) and not (sound_conditions and config.mask == "auto"):
            prompts = edit_mask.PromptPair(source_prompt, text, prompt)
            with stage("mask"):  # before the inversion, which a mask that is no mask would waste
                mask = edit_mask.find_mask(
                    config, source, size, backbone, latents, prompts, mask, difference, session.progress
                )
    start = made(stages.start)
    steps = backbone.schedule(config.steps).last(config.steps_taken)
    with session.working(model, kind, adapter=adapter, flow=flow):
        x, trace = start.at(steps, latents)
        if start.trace is not None:
            metrics["inversion_correction"] = correction_size(trace, steps)
            if config.check_inversion and is_doubtful(config.inversion_corrections, metrics["inversion_correction"]):
                reconstructed = made(stages.check)
                metrics["reconstruction_db"] = reconstructed.db
                warn_if_poor(reconstructed, vae_fidelity, prompted=bool(source_prompt), tuned=backbone.is_tuned)
        keep = None
        if mask is not None:
            keep = LatentBlend(mask, trace).blend
            metrics["edited_share"] = float(mask.mean())
        injected = InjectionSource(
            text, trace, round(config.inject * len(steps)), guided=bool(conditions and config.control_inversion)
        )
        with stage("denoising"), backbone.scaling_motion(motion):
            edited = denoise(
                backbone,
                x,
                steps,
                guider,
                conditions=conditions + sound_conditions,
                source=injected,
                after_step=keep,
                progress=session.progress,
            )
            check_finite(edited, "edit", backbone)
        with stage("decoding"):
            frames = backbone.decode(edited)
            check_finite(frames, "decoded edit", backbone)
        warn_if_degenerate(backbone, frames, text)
        clip = source.with_frames(frames)
        if track.audio is not None:
            clip = soundtrack.add_to(clip, track, mixed=config.audio_mix)
        video = LazyClip.of(clip, size)
        whole = partial(_full_size, config, source, size, original)
        if mask is not None and config.paste:
            video = replace(video, make=partial(_pasted, frames, whole().make, mask.cpu()))
            frames = paste(frames, source.frames, mask)
        metrics |= edit_mask.mask_metrics(fidelity(frames, source.frames), vae_fidelity, mask, source.size)
    return EditResult(video, config, stage.seconds, metrics, provenance(backbone, fingerprint), whole)


def _pasted(edited: Tensor, original: MakeFrames, mask: Tensor, indices: Sequence[int]) -> Iterator[Tensor]:
    """``paste``, frame by frame: of the frames with these ``indices``, which the ``original`` is read for."""
    for index, own in zip(indices, original(indices), strict=True):
        yield paste(edited[index, None], own[None], mask[index, None])[0]


def _full_size(config: EditConfig, source: Clip, size: Size, original: Clip | None) -> LazyClip:
    """The source at the clip's own size (H, W): ``original``, where it is in memory."""
    if source.size == size or original is not None:
        return LazyClip.of(original or source, size)
    return reopen(config, source, size)


def _write(result: EditResult, source: Clip) -> EditResult:
    """The result, with the files that its config asks for; ``source`` at the working size."""
    config, files = result.config, write_result(result.video, result.config, "edit", result.made_with)
    if config.sheet is not None:
        contact_sheet(source, result.video, config.sheet, overwrite=config.overwrite)
        files.append(config.sheet)
    if config.compare is not None:
        from vedit.compare import compare  # moviepy takes half a second to import

        layout, crf, overwrite = config.compare_layout, config.crf, config.overwrite
        compare(result.source, result.video, config.compare, layout=layout, crf=crf, overwrite=overwrite)
        files.append(config.compare)
    return replace(result, files=tuple(files))
