"""The sidecar: the settings beside a result, from which ``vedit rerun`` makes it again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from vedit import __version__
from vedit.atomic import whole_file
from vedit.config import IN_MEMORY
from vedit.config.files import change_each
from vedit.config.groups import Settings
from vedit.config.named_files import naming, settings_within
from vedit.config.paths import absolute
from vedit.config.prompt_weights import escaped
from vedit.config.sidecar_format import FORMAT


def save(config: Settings, path: Path, made_with: Mapping[str, str], *, overwrite: bool) -> None:
    """Write settings as a sidecar that ``vedit rerun`` takes. Paths in its folder are relative, others absolute, so the
    folder may be moved and read from anywhere. Raises MediaError when it cannot be written.
    """
    import yaml

    folder = absolute(path).parent
    dumped = config.model_dump(mode="json", exclude=set(config.transient))
    values = change_each(dumped, type(config), lambda name, value, kind: _portable(name, value, folder, kind))
    notes = {"command": config.job, "format": FORMAT, "vedit": __version__, "made_with": dict(made_with)}
    head = f"# Written by vedit {__version__}: `vedit rerun {path.name}` makes the same again.\n"
    body = yaml.safe_dump({**notes, **values}, sort_keys=False, allow_unicode=True, width=2**16)
    with whole_file(path, overwrite) as beside:
        beside.write_text(head + body, encoding="utf-8")


def _portable(name: str, value: Any, folder: Path, kind: type[BaseModel]) -> Any:
    """The reverse of ``files._anchored``: a path relative to ``folder`` where it lies inside; brackets of prompts
    escaped."""
    if isinstance(value, str) and issubclass(kind, Settings) and name in kind.weighted_prompts:
        return escaped(value)
    if value is not None and (inner := settings_within(kind).get(name)):
        return [change_each(each, inner, lambda key, part, of: _portable(key, part, folder, of)) for each in value]
    if (how := naming(kind).get(name)) is None:
        return value
    if isinstance(value, list):
        return [how.portable(each, folder) for each in value]
    return how.portable(value, folder) if isinstance(value, str) and value != str(IN_MEMORY) else value
