"""Settings that change nothing as they are given, and one that would change much: one table of rules.

Only what differs from its default counts as given, so that a sidecar's settings, which are all there are, say nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vedit.config import (
    QUEUE_WINDOWS,
    AnimateConfig,
    EditConfig,
    GenerateConfig,
    InvertConfig,
    Settings,
    TuneConfig,
    VideoSettings,
    mask_kind,
)
from vedit.config.speed import came_along
from vedit.windows import WINDOW

FRESH = ("gaussian", "shared", "walk", "reshuffled", "flow_warped", "bounce")
"""Priors that draw noise and invert nothing."""


@dataclass(frozen=True)
class Rule:
    """Of which configs it holds, when, and what it says; ``names`` are the settings that are idle then, if given."""

    kinds: type[Settings] | tuple[type[Settings], ...]
    names: tuple[str, ...]
    when: Callable[[Any], bool]
    says: str


def _compares(config: EditConfig) -> bool:
    """Whether the edit has the words of the source, to compare with; an adapter brings its own."""
    words = config.source_prompt
    return bool(words.strip()) if words is not None else config.adapter is not None


def _masked(config: EditConfig) -> bool:
    return config.mask != "none" and (
        bool(config.first) or config.mask != "auto" or (_compares(config) and not config.image)
    )


def _draws(config: EditConfig) -> bool:
    """Whether anything of an edit is drawn; of another's prior or conditioner that is not known."""
    finds = mask_kind(config.mask) == "word" or (config.mask == "auto" and _compares(config))
    return config.prior != "inversion" or bool(config.tune) or finds or bool(config.condition)


RULES = (
    Rule(
        EditConfig,
        (),
        lambda it: it.source_prompt is None and it.adapter is None and it.mask == "auto" and it.prior == "inversion",
        "without --source-prompt the whole frame is open to change; say what the clip shows now, and what both prompts "
        "agree on is kept",
    ),
    Rule(
        EditConfig,
        (),
        lambda it: (
            it.prompt.split() == (it.source_prompt or "").split()
            and not (it.prompt_at or it.emphasis or it.image or it.first)
        ),
        "the prompt says what --source-prompt says, so nothing is asked to change",
    ),
    Rule(
        EditConfig,
        ("seed",),
        lambda it: not _draws(it),
        "nothing is drawn in this edit, which starts from the clip's own inversion; --prior shared starts from noise",
    ),
    Rule(
        EditConfig,
        ("inject",),
        lambda it: bool(it.first),
        "nothing is inverted, and so nothing injected, where --first shows the layout",
    ),
    Rule(
        EditConfig,
        ("fill", "fill_strength"),
        lambda it: it.key_frames is None,
        "nothing is filled in without --key-frames",
    ),
    Rule(
        EditConfig,
        ("fill_strength",),
        lambda it: it.fill == "tokens",
        "with --fill tokens all steps are taken in each frame",
    ),
    Rule(EditConfig, ("first_hold",), lambda it: not it.first, "there is no --first to hold to"),
    Rule(
        EditConfig,
        ("learning_rate", "recipe", "early_stop", "tuned_blocks"),
        lambda it: not it.tune,
        "nothing is learnt without --tune STEPS",
    ),
    Rule(
        EditConfig,
        ("mask_samples",),
        lambda it: not _compares(it),
        "prompts are compared only where --source-prompt says what the clip shows",
    ),
    Rule(
        EditConfig,
        ("control_inversion",),
        lambda it: it.control == () and not it.condition,  # None: the model may bring one
        "there is no --control to guide the inversion",
    ),
    Rule(
        EditConfig,
        ("control_inversion", "inversion_corrections", "cache", "check_inversion"),
        lambda it: it.prior in FRESH and bool(it.control != () or it.condition or not it.control_inversion),
        "nothing is inverted where sampling starts from noise; --prior inversion does",
    ),
    Rule(
        EditConfig, ("paste",), lambda it: not _masked(it), "without a mask there is nothing outside of it to put back"
    ),
    Rule(
        (EditConfig, GenerateConfig),
        ("negative_prompt", "negative_image", "apg_eta", "guidance_interval"),
        lambda it: it.guidance == 1 and it.audio is None,
        "there is no guidance to lead away from it; --guidance above 1 leads",
    ),
    Rule(
        InvertConfig,
        ("crf", "codec", "overwrite"),
        lambda it: it.output is None,
        "the reconstruction is written only with --output",
    ),
    Rule(
        VideoSettings,
        ("crf",),
        lambda it: it.output is not None and it.output.suffix.lower() in ("", ".gif"),
        "a GIF or a folder of pictures has no quality to choose",
    ),
    Rule(
        GenerateConfig,
        (),
        lambda it: it.fifo and it.steps < QUEUE_WINDOWS * (it.window or WINDOW),
        "frames that a queue shows together differ much in noise where it has few steps; four times --window are right",
    ),
    Rule(
        GenerateConfig,
        (),
        lambda it: not (it.prompt.strip() or it.audio or it.image or it.first or it.last or it.control),
        "no prompt, picture or sound says what is seen; what the model makes of that is all there is",
    ),
    Rule(
        AnimateConfig,
        (),
        lambda it: not (it.prompt.strip() or it.motion_strokes or it.motion_of),
        "neither a prompt nor --motion-strokes nor --motion-of says how the picture moves; what the model makes of it "
        "is all there is",
    ),
    Rule(AnimateConfig, ("motion_mask",), lambda it: it.motion_of is None, "there is no clip, --motion-of, to look at"),
    Rule(
        TuneConfig,
        ("pictures",),
        lambda it: it.video_share == 1,
        "with --mix 1 the clip is learnt as video alone; less learns pictures too",
    ),
    Rule(
        (EditConfig, GenerateConfig),
        ("emphasis",),
        lambda it: any(each.weight == 1 for each in it.emphasis),
        "a word of weight 1 counts as it is",
    ),
)


def hints_for(config: Settings) -> list[str]:
    """The hints about a config: a line for each rule that holds."""
    said = []
    for rule in RULES:
        if not isinstance(config, rule.kinds) or not rule.when(config):
            continue
        fields = type(config).model_fields
        given = [name for name in rule.names if name in fields and not came_along(config, name)]
        idle = [name for name in given if getattr(config, name) != fields[name].default]
        flags = ", ".join(
            f"--{'no-' if getattr(config, name) is False else ''}{name.replace('_', '-')}" for name in idle
        )
        if idle:
            said.append(f"{flags} {'changes' if len(idle) == 1 else 'change'} nothing: {rule.says}")
        elif not rule.names:
            said.append(rule.says)
    return said
