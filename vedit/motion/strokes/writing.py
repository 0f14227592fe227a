"""Writing a strokes file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vedit.atomic import whole_file
from vedit.config.named_files import naming
from vedit.config.paths import absolute
from vedit.motion.strokes.schema import Stroke, StrokesFile


def save_strokes(file: StrokesFile, path: Path, *, note: str = "", overwrite: bool = False) -> None:
    """Write strokes as YAML, only what differs from its default; ``note`` is a comment at the head.

    Paths of masks in the file's folder are relative. Raises MediaError as Clip.save does.
    """
    head = "".join(f"# {line}\n" for line in note.splitlines())
    with whole_file(path, overwrite) as beside:
        beside.write_text(head + text_of(file, absolute(path).parent), encoding="utf-8")


def text_of(file: StrokesFile, folder: Path) -> str:
    """The YAML of strokes as a file in the absolute ``folder`` has it."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """Writes lists of points, times and the like in one line each."""

    Dumper.add_representer(
        _OneLine, lambda dumper, each: dumper.represent_sequence("tag:yaml.org,2002:seq", each, flow_style=True)
    )
    values = {"version": file.version, **file.model_dump(mode="json", exclude_defaults=True)}
    how = naming(Stroke)["mask"]
    for each in [*values.get("strokes", []), *values.get("anchors", []), *values.get("sway", [])]:
        if isinstance(each.get("mask"), str):
            each["mask"] = how.portable(each["mask"], folder)
    return yaml.dump(_plain(values), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=116)


TEXTS = ("name", "mask")
"""Whose values stay texts, of digits alone too: other such texts are times."""


class _OneLine(list[Any]):
    """A list that is written in one line."""


def _plain(value: Any) -> Any:
    """Values as one would write them by hand: whole numbers without a point, lists of no mappings in one line."""
    if isinstance(value, dict):
        return {key: each if key in TEXTS else _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        inner = [_plain(each) for each in value]
        return inner if any(isinstance(each, dict) for each in inner) else _OneLine(inner)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return int(value) if isinstance(value, str) and value.isascii() and value.isdecimal() else value
