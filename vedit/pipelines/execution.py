"""What every pipeline runs within: stage timings, out-of-memory errors, NaN checks, the cache of inversions."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from vedit.config import cache_folder
from vedit.errors import VeditWarning
from vedit.graph import Store

if TYPE_CHECKING:
    from vedit.backbone.model import Backbone


@dataclass
class Timings:
    """Seconds by stage, in the order of the stages."""

    device: torch.device
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - begun


def provenance(backbone: Backbone, model: str) -> dict[str, str]:
    """What a result was made with: the ``model``'s fingerprint, the device, the dtype, the kernel, the version of
    PyTorch."""
    return {
        "model": model,
        "device": str(backbone.device),
        "dtype": _plain(backbone.dtype),
        "kernel": backbone.kernel,
        "torch": str(torch.__version__),
    }


def warn_of_other_model(name: str, made_with: str, backbone: Backbone) -> None:
    """Warn where the model is not the one of fingerprint ``made_with``, if any, that made the result to be repeated."""
    if made_with not in ("", backbone.state_fingerprint()):
        warnings.warn(
            f"{name} is not the model, as it was then, that the result was made with; another comes out.",
            VeditWarning,
            stacklevel=2,
        )


def _plain(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def result_store(wanted: bool) -> Store | None:
    """Where results are kept between jobs; None when not wanted, and, with a warning, when it cannot be written."""
    if not wanted:
        return None
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK | os.X_OK):
            return Store(folder)
        reason = "no permission to write"
    except OSError as error:
        reason = str(error.strerror)
    warnings.warn(
        f"the cache {folder} cannot be used ({reason}); going on without it. VEDIT_CACHE names another.",
        VeditWarning,
        stacklevel=2,
    )
    return None
