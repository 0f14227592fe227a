"""The conditions of a job: what is wrong with them, their stages, and those that a model brings for an edit."""

from __future__ import annotations

from difflib import SequenceMatcher

from vedit.annotators import ANNOTATORS
from vedit.backbone.notes import ModelNotes
from vedit.clip import Clip
from vedit.condition import Condition
from vedit.conditioners import CONDITIONERS
from vedit.config import ControlSettings, EditConfig, GuideSettings
from vedit.errors import ConfigError, MediaError
from vedit.graph import Stage
from vedit.jobs import images
from vedit.session import Model
from vedit.stages.conditions import Conditioned, ControlPictures, Controls
from vedit.stages.difference import ComparePrompts
from vedit.timeline import Moments

Conditions = Stage[tuple[Condition, ...]]

MOST_CHANGES = 4
"""Between two prompts, that are looked at one by one."""


def check(config: GuideSettings, *, clip: bool = True) -> None:
    """Find faults of the conditions that show before a model is opened; ``clip``: whether there is one to look at.
    Raises VeditError."""
    images.check(config)
    for condition in config.condition:
        conditioner = CONDITIONERS.make(condition.kind, condition.options)
        if "clip" in conditioner.needs and not clip:
            raise ConfigError(f"condition {condition.kind} looks at a clip, and none is given; take another.")
    for control in config.control or ():
        ANNOTATORS.make(control.kind, control.options)
        if control.file is None and not clip:
            raise ConfigError(
                f"control {control.kind} has no clip to look at; name what is drawn, as {control.kind}:1:FILE: "
                "keypoints (.json), a video, a folder or one picture."
            )
        if control.file is not None and not control.file.exists():
            raise MediaError(
                f"control {control.kind}: {control.file} does not exist; expected keypoints (.json), or pictures "
                "drawn before: a video, a folder or one picture."
            )


def asked(
    config: GuideSettings, clip: Stage[Clip] | None, drawn_on: Stage[Clip], moments: Moments, model: Model
) -> tuple[Conditions, ...]:
    """The conditions that settings name.

    Args:
        clip: that is looked at; None in a job without one
        drawn_on: a clip of the frames and the size that are worked on, for pictures that were drawn before

    Raises:
        ConfigError: for weights that have no value in some frame
    """
    controls = (control_stage(config.control, drawn_on, moments, model),) if config.control else ()
    others = (Conditioned(clip, each.kind, each.options, moments, model) for each in config.condition)
    return (*controls, *images.stages(config, drawn_on, moments, model), *others)


def control_stage(
    settings: tuple[ControlSettings, ...],
    clip: Stage[Clip],
    moments: Moments,
    model: Model,
    differences: ComparePrompts | None = None,
) -> Controls:
    """ControlNets that read what annotators draw of a clip. Raises ConfigError as ``asked``."""
    pictures = tuple(ControlPictures.of(each, clip) for each in settings)
    weights = tuple(tuple(each.weights(moments)) for each in settings)
    return Controls(pictures, differences, settings, weights, model)


def default_controls(config: EditConfig, notes: ModelNotes) -> tuple[ControlSettings, ...]:
    """The controls of an edit that names none: those that the model's notes name for it.

    They hold shapes as they are, so whether they apply depends on the difference of the two prompts. Empty where one of
    these is missing, and for an edit from fresh noise.
    """
    compared = config.prompt.strip() and (config.source_prompt or "").strip()
    if config.control is not None or config.prior != "inversion" or not compared:
        return ()
    return notes.edit_controls


def single_changes(source: str, target: str) -> list[str]:
    """The ``source`` prompt with a single one of the changes that lead to ``target``, for each of them.

    Words replaced by as many others are single changes, one for each. Empty where there is one change alone, or none,
    or more than MOST_CHANGES.
    """
    before, after = source.split(), target.split()
    spans = []
    for kind, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "replace" and b - a == d - c:
            spans += [(a + i, a + i + 1, after[c + i : c + i + 1]) for i in range(b - a)]
        elif kind != "equal":
            spans.append((a, b, after[c:d]))
    if not 1 < len(spans) <= MOST_CHANGES:
        return []
    return [" ".join([*before[:a], *new, *before[b:]]) for a, b, new in spans]
