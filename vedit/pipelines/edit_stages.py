"""What an edit is made of: its stages up to the noise that sampling starts from, named before any is made."""

from __future__ import annotations

from dataclasses import dataclass

from vedit.backbone.model import Backbone
from vedit.clip import Clip
from vedit.condition import Condition
from vedit.conditioners.control import Control
from vedit.config import ControlSettings, EditConfig, mask_kind
from vedit.graph import Stage
from vedit.graph.files import File
from vedit.pipelines import controls, edit_mask
from vedit.pipelines.session import needs_flow
from vedit.session import Model
from vedit.stages.conditions import Conditioned, ControlPictures, Controls
from vedit.stages.difference import ComparePrompts
from vedit.stages.flow import EstimateFlow
from vedit.stages.latents import Encode, RoundTrip
from vedit.stages.noise import Reconstruct, StartingNoise, drawn
from vedit.stages.tune import Tune
from vedit.stages.words import Words, words_of
from vedit.timeline import Moments


@dataclass(frozen=True)
class EditStages:
    """The stages of one edit; None where it needs none.

    Attributes:
        words: source prompt, edit prompt and negative prompt
        differences: the edit's prompt against the source's, and then each single change of it
        default_controls: those that the model brings, in force where shapes stay
        asked: the conditions that the settings name
    """

    clip: Stage[Clip]
    latents: Encode
    round_trip: RoundTrip
    flow: EstimateFlow | None
    tuned: Tune | None
    words: tuple[Words, ...]
    differences: ComparePrompts | None
    default_controls: Controls | None
    asked: tuple[Stage[tuple[Condition, ...]], ...]
    start: StartingNoise
    check: Reconstruct


def edit_stages(
    config: EditConfig, clip: Stage[Clip], moments: Moments, model: Model, backbone: Backbone
) -> EditStages:
    """The stages of the edit that ``config`` asks for, its source prompt and attention kind filled in.

    Raises ConfigError for weights that have no value in some frame.
    """
    source_prompt, kind = config.source_prompt or "", config.attention or ""
    flow = EstimateFlow(clip) if needs_flow("attention", kind) or needs_flow("priors", config.prior) else None
    latents = Encode(clip, model)
    tuned = None
    if config.tune:
        tuned = Tune(
            clip,
            latents,
            flow,
            model,
            source_prompt,
            config.tune,
            config.learning_rate,
            config.recipe,
            kind,
            config.seed,
        )
    words = words_of(backbone, source_prompt, config.prompt, config.negative_prompt)
    defaults = controls.default_controls(config, source_prompt, backbone.notes)
    differences = None
    if defaults or (mask_kind(config.mask) == "auto" and edit_mask.applies(config, source_prompt)):
        changes = controls.single_changes(source_prompt, config.prompt) if defaults else []
        targets = (words[1], *(Words(each) for each in changes))
        differences = ComparePrompts(latents, tuned, flow, model, kind, words[0], targets, config.seed)
    asked: list[Stage[tuple[Condition, ...]]] = []
    if config.control:
        asked.append(control_stage(config.control, clip, moments, model))
    asked += [Conditioned(clip, each.kind, each.options, model) for each in config.condition]
    default_controls = control_stage(defaults, clip, moments, model, differences) if defaults else None
    steering = (*([default_controls] if default_controls else []), *asked) if config.control_inversion else ()
    start = StartingNoise(
        latents, tuned, flow, steering, model, kind, config.prior, words[0], config.steps, config.inversion_corrections,
        *drawn(config.prior, config.seed, tuple(config.per_frame("noise_walk", moments))),
    )  # fmt: skip
    check = Reconstruct(clip, start, tuned, flow, steering, config.steps_taken)
    return EditStages(
        clip, latents, RoundTrip(clip, latents, model), flow, tuned, words, differences, default_controls, tuple(asked),
        start, check,
    )  # fmt: skip


def control_stage(
    settings: tuple[ControlSettings, ...],
    clip: Stage[Clip],
    moments: Moments,
    model: Model,
    differences: ComparePrompts | None = None,
) -> Controls:
    """Controls of a clip with their weights settled for each frame. Raises ConfigError."""
    settled = []
    for each in settings:
        control = Control(each)
        control.settle_weights(moments)
        settled.append(control.options)
    pictures = tuple(
        ControlPictures(clip, each.kind, each.options, None if each.file is None else File.of(each.file))
        for each in settled
    )
    return Controls(pictures, differences, tuple(settled), model)
