"""vedit: edit video with a Stable Diffusion backbone.

Public names are imported when they are first asked for, so ``import vedit`` is quick and brings in no PyTorch::

    import vedit

    result = vedit.edit("mini", "clip.mp4", "a blue star moving left over sand")
    result.save("out.mp4")
"""

from __future__ import annotations

import os
from importlib import import_module
from threading import RLock
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# OpenMP's threads wait for the next piece of work by spinning, which beside any other work takes many times as long as
# sleeping; it reads this once, when PyTorch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if TYPE_CHECKING:
    from vedit.adapters.loading import load_backbone
    from vedit.adapters.tuned import Adapter
    from vedit.audio import AudioFeatures
    from vedit.backbone.model import Backbone
    from vedit.batches.batch import BatchResult, batch
    from vedit.clip import Audio, Clip, ClipInfo, probe, read_clip
    from vedit.config import (
        AnimateConfig,
        EditConfig,
        GenerateConfig,
        InspectConfig,
        InvertConfig,
        TuneConfig,
        UpscaleConfig,
    )
    from vedit.errors import (
        ConfigError,
        DeviceError,
        MediaError,
        PartError,
        VeditError,
        VeditWarning,
        WeightsError,
    )
    from vedit.jobs.animate import AnimateResult, animate
    from vedit.jobs.edit import edit
    from vedit.jobs.edit_result import EditResult
    from vedit.jobs.generate import GenerateResult, generate
    from vedit.jobs.inspect import InspectResult, inspect
    from vedit.jobs.inspect_audio import inspect_audio
    from vedit.jobs.invert import InvertResult, invert
    from vedit.jobs.tune import tune
    from vedit.jobs.upscale import UpscaleResult, upscale
    from vedit.schedule import Schedule
    from vedit.sheet import contact_sheet

_HOMES = {
    "Adapter": "vedit.adapters.tuned",
    "AnimateConfig": "vedit.config",
    "AnimateResult": "vedit.jobs.animate",
    "Audio": "vedit.clip",
    "Backbone": "vedit.backbone.model",
    "BatchResult": "vedit.batches.batch",
    "Clip": "vedit.clip",
    "ClipInfo": "vedit.clip",
    "ConfigError": "vedit.errors",
    "DeviceError": "vedit.errors",
    "EditConfig": "vedit.config",
    "EditResult": "vedit.jobs.edit_result",
    "GenerateConfig": "vedit.config",
    "GenerateResult": "vedit.jobs.generate",
    "AudioFeatures": "vedit.audio",
    "InspectConfig": "vedit.config",
    "InspectResult": "vedit.jobs.inspect",
    "InvertConfig": "vedit.config",
    "InvertResult": "vedit.jobs.invert",
    "MediaError": "vedit.errors",
    "PartError": "vedit.errors",
    "Schedule": "vedit.schedule",
    "TuneConfig": "vedit.config",
    "UpscaleConfig": "vedit.config",
    "UpscaleResult": "vedit.jobs.upscale",
    "VeditError": "vedit.errors",
    "VeditWarning": "vedit.errors",
    "WeightsError": "vedit.errors",
    "animate": "vedit.jobs.animate",
    "batch": "vedit.batches.batch",
    "contact_sheet": "vedit.sheet",
    "edit": "vedit.jobs.edit",
    "generate": "vedit.jobs.generate",
    "inspect": "vedit.jobs.inspect",
    "invert": "vedit.jobs.invert",
    "inspect_audio": "vedit.jobs.inspect_audio",
    "load_backbone": "vedit.adapters.loading",
    "probe": "vedit.clip",
    "read_clip": "vedit.clip",
    "tune": "vedit.jobs.tune",
    "upscale": "vedit.jobs.upscale",
}

__all__ = [
    "Adapter",
    "AnimateConfig",
    "AnimateResult",
    "Audio",
    "AudioFeatures",
    "Backbone",
    "BatchResult",
    "Clip",
    "ClipInfo",
    "ConfigError",
    "DeviceError",
    "EditConfig",
    "EditResult",
    "GenerateConfig",
    "GenerateResult",
    "InspectConfig",
    "InspectResult",
    "InvertConfig",
    "InvertResult",
    "MediaError",
    "PartError",
    "Schedule",
    "TuneConfig",
    "UpscaleConfig",
    "UpscaleResult",
    "VeditError",
    "VeditWarning",
    "WeightsError",
    "__version__",
    "animate",
    "batch",
    "contact_sheet",
    "edit",
    "generate",
    "inspect",
    "inspect_audio",
    "invert",
    "load_backbone",
    "probe",
    "read_clip",
    "tune",
    "upscale",
]


_IMPORTING = RLock()
"""Two threads that import the large libraries at once would find them half made."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'vedit' has no attribute '{name}'")
    with _IMPORTING:
        value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
