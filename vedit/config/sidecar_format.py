"""The format of sidecars, and what became of the settings of older ones.

Sidecars outlive the names of settings, since `vedit rerun` is to read them for years. This is the one place that knows
older names: on the command line, in Python and in settings files of one's own they are unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vedit.errors import ConfigError

FORMAT = 2
"""Of the sidecars that are written; one that does not say its format has the first."""

NOTES = frozenset({"command", "format", "made_with", "vedit"})
"""What a sidecar says about itself, beside the settings."""

RENAMED: Mapping[int, Mapping[str, str]] = {
    1: {
        "attack": "audio_attack",
        "blend": "prompt_blend",
        "compare_how": "compare_layout",
        "gain": "audio_gain",
        "gate": "check_inversion",
        "motion": "motion_adapter",
        "negative": "negative_prompt",
        "refine": "inversion_corrections",
        "release": "audio_release",
        "saturation": "apg_eta",
        "smoothing": "audio_smoothing",
        "threshold": "audio_threshold",
        "walk": "noise_walk",
    },
}
"""By an older format, the settings that the next format calls otherwise."""


def is_sidecar(values: Mapping[str, Any]) -> bool:
    """Whether the content of a file is a sidecar's, rather than settings that somebody wrote down."""
    return "command" in values


def upgraded(values: Mapping[str, Any], lines: Mapping[str, int]) -> tuple[dict[str, Any], dict[str, int]]:
    """The content of a sidecar of any format as today's has it, and the lines of the file that its settings came from.

    Raises ConfigError for a format that is not known yet.
    """
    written = values.get("format", 1)
    if written not in range(1, FORMAT + 1):
        raise ConfigError(
            f"the sidecar has the format {written!r:.20}; this vedit reads up to {FORMAT}: take a newer one."
        )
    now, now_lines = dict(values), dict(lines)
    for older in range(written, FORMAT):
        names = RENAMED[older]
        now = {names.get(key, key): value for key, value in now.items()}
        now_lines = {names.get(key, key): line for key, line in now_lines.items()}
        if older == 1:
            _rename_files(now)
    return now, now_lines


def _rename_files(values: dict[str, Any]) -> None:
    """The file of a control, and of the conditioner `audio`, was called its source in format 1."""
    controls = [each for each in _listed(values.get("control")) if isinstance(each, dict)]
    conditions = [each for each in _listed(values.get("condition")) if isinstance(each, dict)]
    options = [each.get("options") for each in conditions if each.get("kind") == "audio"]
    for each in [*controls, *(each for each in options if isinstance(each, dict))]:
        if "source" in each:
            each["file"] = each.pop("source")


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
