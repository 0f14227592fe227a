"""``vedit rerun``: the config that a sidecar holds, and where its new result is written."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from vedit.config import Settings
from vedit.config.files import file_layer, read_yaml
from vedit.config.merge import Layer, assignments, merge
from vedit.config.named_files import fields_written
from vedit.errors import ConfigError
from vedit.jobs import jobs


def rerun_config(
    sidecar: Path, output: str | None = None, *, overwrite: bool = False, assign: Sequence[str] = ()
) -> tuple[Settings, str]:
    """The config that a sidecar holds, and the fingerprint of the model that its result was made with; the latter is
    empty where settings are changed.

    Args:
        output: where to write; by default beside the sidecar, under a name that is free, or with ``overwrite`` under
            the old one. Pictures and comparisons go there too.
        assign: settings to change, "key=value".

    Raises ConfigError for a file that is no sidecar, and for settings that do not go together.
    """
    content, _ = read_yaml(sidecar)
    entry = jobs().get(str(content.get("command")))
    if entry is None or not entry.again:
        raise ConfigError(
            f"{sidecar} is not a sidecar of `vedit edit` or `vedit generate`; pass settings of your own with --config."
        )
    kind = entry.config
    own, changed = file_layer(sidecar, kind), assignments(assign)
    given = Layer({"output": output} if output else {}, lambda name: f"--{name}")
    paths = _output_paths(kind, own.values, sidecar, output or changed.values.get("output"), overwrite)
    made_with = content.get("made_with")
    model = "" if assign or not isinstance(made_with, dict) else str(made_with.get("model", ""))
    return merge(kind, own, Layer({**paths, "overwrite": overwrite}), changed, given), model


def _output_paths(
    kind: type[Settings], values: Mapping[str, Any], sidecar: Path, output: Any, overwrite: bool
) -> dict[str, str]:
    """The files to write: in the sidecar's folder, wherever its settings have them, or beside the ``output``."""
    files = {name: Path(str(values[name])) for name in fields_written(kind) if values.get(name)}
    old = files.get("output", Path(f"{sidecar.stem}.mp4"))
    if output:
        return _named(files, Path(str(output)))
    if overwrite:
        return {name: str(sidecar.parent / path.name) for name, path in {**files, "output": old}.items()}
    for number in count(2):
        paths = _named(files, sidecar.parent / f"{old.stem}-{number}{old.suffix}")
        beside = str(Path(paths["output"]).with_suffix(".yaml"))
        if not any(os.path.lexists(path) for path in (*paths.values(), beside)):
            return paths
    raise AssertionError("numbers do not end")


def _named(files: Mapping[str, Path], output: Path) -> dict[str, str]:
    """The same kinds of files beside another output."""
    others = {name: f"{output.stem}-{name}{path.suffix}" for name, path in files.items()}
    names = {**others, "sheet": f"{output.stem}.png"}
    return {name: str(output.parent / names[name]) for name in files} | {"output": str(output)}
