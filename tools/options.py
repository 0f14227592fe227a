"""Writes vedit/config/options.py, the settings as editors know them, from the configs: python -m tools.options"""

from __future__ import annotations

from pathlib import Path

import vedit
from vedit.config import (
    AnimateConfig,
    EditConfig,
    GenerateConfig,
    InspectAudioConfig,
    InspectConfig,
    InvertConfig,
    Settings,
    TuneConfig,
    UpscaleConfig,
)
from vedit.config.describe import typed_dict

JOBS: dict[str, tuple[type[Settings], tuple[str, ...]]] = {
    "EditOptions": (EditConfig, ("clip", "prompt")),
    "GenerateOptions": (GenerateConfig, ("prompt",)),
    "AnimateOptions": (AnimateConfig, ("picture",)),
    "TuneOptions": (TuneConfig, ("clip", "prompt")),
    "InvertOptions": (InvertConfig, ("clip",)),
    "UpscaleOptions": (UpscaleConfig, ("clip",)),
    "InspectOptions": (InspectConfig, ("kind", "clip")),
    "InspectAudioOptions": (InspectAudioConfig, ("audio",)),
}
"""For each TypedDict its config, and which of its fields are parameters of their own."""

FILE = Path(vedit.__file__).parent / "config" / "options.py"

HEAD = '''"""The settings that functions take by name. Written from the configs by `python -m tools.options`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from vedit.config import (
        ConditionSettings,
        ControlSettings,
        EmphasisSettings,
        ImageSettings,
        KeyPictureSettings,
        PromptAtSettings,
    )
'''


def text() -> str:
    return "\n\n".join([HEAD, *(f"{typed_dict(name, *job)}\n" for name, job in JOBS.items())])


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
