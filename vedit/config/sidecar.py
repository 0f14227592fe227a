"""The sidecar: the settings beside a result, from which ``vedit rerun`` makes it again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vedit import __version__
from vedit.atomic import whole_file
from vedit.config import HUB_NAMES, IN_MEMORY
from vedit.config.fields import expand_home, split_lora_scale
from vedit.config.files import absolute, change_inner, is_keyword
from vedit.config.groups import Settings, is_there
from vedit.config.prompt_weights import escaped
from vedit.config.sidecar_format import FORMAT


def save(config: Settings, path: Path, command: str, made_with: Mapping[str, str], *, overwrite: bool) -> None:
    """Write settings as a sidecar that ``vedit rerun`` takes. Paths in its folder are relative, others absolute, so the
    folder may be moved and read from anywhere. Raises MediaError when it cannot be written.
    """
    import yaml

    folder = absolute(path).parent
    values = config.model_dump(mode="json", exclude=set(config.transient))
    for key, value in values.items():
        values[key] = _portable(key, value, folder, config)
    notes = {"command": command, "format": FORMAT, "vedit": __version__, "made_with": dict(made_with)}
    head = f"# Written by vedit {__version__}: `vedit rerun {path.name}` makes the same again.\n"
    body = yaml.safe_dump({**notes, **values}, sort_keys=False, allow_unicode=True, width=2**16)
    with whole_file(path, overwrite) as beside:
        beside.write_text(head + body, encoding="utf-8")


def _portable(name: str, value: Any, folder: Path, config: Settings | type[Settings]) -> Any:
    """The reverse of ``files._anchored``: a path relative to ``folder`` where it lies inside; brackets of prompts
    escaped."""
    if name in config.weighted_prompts and isinstance(value, str):
        return escaped(value)
    if value is not None and (inner := config.nested.get(name)):
        return [change_inner(each, inner, lambda key, part: _portable(key, part, folder, inner)) for each in value]
    if isinstance(value, list):
        return [_portable(name, each, folder, config) for each in value]
    if not isinstance(value, str) or value == str(IN_MEMORY) or is_keyword(name, value, config):
        return value
    if name == "model" and value in ("mini", *HUB_NAMES):
        return value  # a model's own name stands for it even where a folder is called so
    stem, scale = split_lora_scale(value) if name in config.paths_or_names else (value, "")
    path = expand_home(stem)
    if name not in config.paths and not (name in config.paths_or_names and is_there(path)):
        return value
    whole = absolute(path)
    if not whole.is_relative_to(folder):
        return str(whole) + scale
    inside = whole.relative_to(folder).as_posix()
    plain = name in config.paths and not is_keyword(name, inside, config)
    return (inside if plain else f"./{inside}") + scale
