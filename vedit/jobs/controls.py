"""The controls of a job: what is wrong with them, and those that a model brings for an edit that names none."""

from __future__ import annotations

from difflib import SequenceMatcher

from vedit.annotators import ANNOTATORS
from vedit.backbone.notes import ModelNotes
from vedit.conditioners import CONDITIONERS
from vedit.config import ControlSettings, EditConfig, GuideSettings
from vedit.errors import MediaError

MOST_CHANGES = 4
"""Between two prompts, that are looked at one by one."""


def check(config: GuideSettings) -> None:
    """Find faults of the conditions that show before a model is opened. Raises VeditError."""
    for condition in config.condition:
        CONDITIONERS.make(condition.kind, condition.options)
    for control in config.control or ():
        ANNOTATORS.make(control.kind, control.options)
        if control.file is not None and not control.file.exists():
            raise MediaError(
                f"control {control.kind}: {control.file} does not exist; expected keypoints (.json), or pictures "
                "drawn before: a video, a folder or one picture."
            )


def default_controls(config: EditConfig, words: str, notes: ModelNotes) -> tuple[ControlSettings, ...]:
    """The controls of an edit that names none: those that the model's notes name for it.

    They hold shapes as they are, so whether they apply depends on the difference of the two prompts. Empty where there
    is no source prompt (``words``) to compare with, and for an edit from fresh noise.
    """
    if config.control is not None or config.prior != "inversion" or not words.strip():
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
