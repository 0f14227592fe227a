"""What results share: a line as their repr, a page in a notebook, and saving as the command does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from vedit.clip import Clip
from vedit.clip.lazy import LazyClip
from vedit.clip.preview import preview
from vedit.config import EditConfig, GenerateConfig
from vedit.jobs.outputs import check_files, write_result
from vedit.session import Model


def one_line(kind: str, video: Clip | LazyClip, prompt: str, timings: Mapping[str, float]) -> str:
    """A result in a line."""
    words = prompt if len(prompt) <= 60 else f"{prompt[:57]}..."
    return f"{kind}({video!r}, {words!r}, {sum(timings.values()):.1f} s)"


def html(video: Clip | LazyClip, source: Clip | LazyClip | None = None, caption: str = "") -> str:
    """HTML that plays a result, the source beside it where there is one of as many frames."""
    beside = source if source is not None and len(source) == len(video) else None
    said = f"{'source and result' if beside else 'result'}: {caption or repr(video)}"
    return preview(video.frames, video.rate, video.audio, said, None if beside is None else beside.frames)


def save(
    video: Clip | LazyClip,
    config: EditConfig | GenerateConfig,
    made_with: dict[str, str],
    path: str | Path,
    overwrite: bool,
) -> tuple[Path, ...]:
    """Write a result and the settings beside it, which ``vedit rerun`` takes. Raises MediaError and ConfigError."""
    others: dict[str, Any] = {name: None for name in ("sheet", "compare") if name in type(config).model_fields}
    asked = config.model_copy(update={"output": Path(path).expanduser(), "overwrite": overwrite, **others})
    check_files(asked)
    return tuple(write_result(video, asked, made_with))


def made_with(model: Model) -> dict[str, str]:
    """What a result depends on beside its settings: the model's fingerprint, the device, the dtype, the kernel, the
    version of PyTorch."""
    outline = model.outline
    return {
        "model": model.weights,
        "device": str(outline.device),
        "dtype": model.dtype,
        "kernel": model.kernel,
        "torch": str(torch.__version__),
    }
