"""Arguments of the Python functions: checked, shown as settings, and the model that they name loaded."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np
import torch
from torch import Tensor

from vedit.backbone.model import Backbone
from vedit.clip import Clip
from vedit.clip.arrays import kind_of
from vedit.config import IN_MEMORY, Settings
from vedit.config.describe import shows_settings
from vedit.config.merge import Layer, merge
from vedit.errors import ConfigError

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C", bound=Settings)

OF_FILES = ("frames", "start", "stride", "allow_partial")
"""Settings of how a clip's file is read."""

_EXPECTED: Mapping[str, tuple[tuple[type, ...], str]] = {
    "backbone": (
        (Backbone, str, Path),
        "a Backbone (vedit.load_backbone), or a model's name or path, such as 'mini' or 'sd15'",
    ),
    "clip": ((Clip, str, Path), "a Clip, or the path of one"),
    "prompt": ((str,), "a str"),
    "picture": ((Clip, str, Path), "the path of a picture, or a Clip, whose first frame it is"),
    "audio": ((str, Path), "the path of a sound file or a video"),
    "kind": ((str,), "the name of an annotator, such as 'edge'"),
}
_HINTS: Mapping[type, str] = {
    np.ndarray: "; Clip.from_numpy(array, fps=8) makes a Clip of an array",
    list: "; Clip.from_images(pictures, fps=8) makes a Clip of pictures",
}


def job(config: type[Settings], *apart: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function the job of a config in Python: its arguments are checked, its settings shown by ``help`` and
    completed, and threads that share its backbone take turns.

    ``apart`` names the fields of the config that are parameters of the function's own.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        own = inspect.signature(function)

        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                given = own.bind(*args, **kwargs).arguments
            except TypeError as error:
                raise TypeError(f"{function.__name__}() {error}; help(vedit.{function.__name__}) shows all") from None
            for name in ("backbone", *apart):
                if name in given:
                    check(name, given[name])
            progress = given.get("progress")
            if progress is not None and not callable(progress):
                raise TypeError(f"progress is {kind_of(progress)}; expected a function (stage, done, total), or None")
            backbone = given.get("backbone")
            with backbone.lock if isinstance(backbone, Backbone) else nullcontext():
                return function(*args, **kwargs)

        return shows_settings(config, *apart)(run)

    return decorate


def check(name: str, value: object) -> None:
    """Raise TypeError for an argument that is not of its kind, and say what was expected."""
    kinds, expected = _EXPECTED[name]
    if not isinstance(value, kinds):
        hint = next((said for kind, said in _HINTS.items() if name == "clip" and isinstance(value, kind)), "")
        raise TypeError(f"{name} is {kind_of(value)}; expected {expected}{hint}")


def clip_setting(clip: Clip | str | Path, settings: Mapping[str, Any]) -> str | Path:
    """The value of the setting ``clip``: the path, or what stands for a Clip in memory.

    Raises ConfigError where settings of how a file is read are given for one in memory.
    """
    if not isinstance(clip, Clip):
        return clip
    if idle := sorted(name for name in OF_FILES if settings.get(name) is not None):
        raise ConfigError(f"{', '.join(idle)}: these hold for a clip that is read from a file; cut the Clip instead.")
    return IN_MEMORY


def mask_tensor(mask: Any) -> Tensor | None:
    """A mask that was given as a tensor or an array, of floats or bool, as a tensor; None for any other."""
    if isinstance(mask, np.ndarray):
        mask = torch.from_numpy(mask)
    if not isinstance(mask, Tensor):
        return None
    return mask.float() if mask.dtype == torch.bool else mask


def job_config(kind: type[C], backbone: Backbone | str | Path, settings: Mapping[str, Any]) -> C:
    """The config of a job with a model that is loaded, or that is to be. Raises ConfigError."""
    if isinstance(backbone, Backbone):
        return merge(kind, Layer(_loaded_settings(backbone, settings)))
    if "model" in settings:
        raise ConfigError(f"model: the backbone is named already, '{backbone}'; give one of both.")
    return merge(kind, Layer({**settings, "model": str(backbone)}))


def given_model(backbone: Backbone | str | Path) -> Backbone | None:
    """The backbone, if it is one that is loaded."""
    return backbone if isinstance(backbone, Backbone) else None


def _loaded_settings(backbone: Backbone, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a job with a loaded model, and what that was loaded with. Raises ConfigError where they would
    load another."""
    if loaded := sorted(settings.keys() & {"model", "motion_adapter", "lora", "device", "dtype", "kernel"}):
        raise ConfigError(f"{', '.join(loaded)}: the backbone is loaded already; give these to load_backbone.")
    return {**backbone.loaded_with, **settings, "model": backbone.name or "unnamed"}
