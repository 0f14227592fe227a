"""Files of settings: YAML, with relative paths that are relative to the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vedit import __version__
from vedit.config import safe_yaml
from vedit.config.anchors import anchored
from vedit.config.faults import cut, in_one_line
from vedit.config.groups import Settings
from vedit.config.merge import Layer
from vedit.config.paths import absolute
from vedit.config.sidecar_format import NOTES, is_sidecar, upgraded
from vedit.errors import ConfigError
from vedit.files import read_text


def file_layer(path: Path, kind: type[Settings]) -> Layer:
    """A settings file; its relative paths are relative to the file. Of a sidecar, its notes about itself are left
    out, and settings that had other names when it was written are brought to today's; where another version wrote it,
    its faults are told with that.

    Raises ConfigError for a file that cannot be read, is not YAML, or is not one mapping with each key once.
    """
    values, lines = read_yaml(path)
    if is_sidecar(values):
        values, lines = upgraded(values, lines)
    folder = absolute(path).parent
    own = {key: value for key, value in values.items() if key not in NOTES}
    settings = anchored(own, kind, folder)
    for key in settings.keys() & kind.transient:
        raise ConfigError(f"{path.name}:{lines[key]}: {key} is not taken from a file; say --{key} where you mean it.")
    writer = str(values.get("vedit", __version__))
    versions = "" if writer == __version__ else f" (written by vedit {writer:.20}, and this is {__version__})"
    return Layer(settings, lambda key: f"{path.name}:{lines.get(key, 1)}{versions}: {key}")


def read_yaml(path: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """The one mapping that a YAML file holds, and the line of each of its keys. Raises ConfigError."""
    import yaml

    def unread(message: str) -> ConfigError:
        return ConfigError(f"{message.rstrip('.')}; expected a YAML file of settings.")

    try:
        text = read_text(path, unread)
    except OSError as error:
        raise unread(f"{path} cannot be read: {error.strerror}") from error
    try:
        node, values = safe_yaml.node_of(text)
    except (yaml.YAMLError, ValueError) as error:
        why, line = safe_yaml.reason(error)
        raise ConfigError(f"{path}{f':{line}' if line else ''}: not YAML: {why}.") from error
    if not isinstance(values, dict) or not isinstance(node, yaml.MappingNode):
        raise ConfigError(f"{path} holds no settings; expected lines such as 'steps: 20'.")
    lines: dict[str, int] = {}
    twice = []
    for key, _ in node.value:
        if key.value in lines:
            twice.append(f"{path.name}:{key.start_mark.line + 1}: '{cut(key.value)}' is given twice")
        lines[str(key.value)] = key.start_mark.line + 1
    if twice:
        raise ConfigError(in_one_line(twice))
    return values, lines
