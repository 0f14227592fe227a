"""What results share: a line as their repr, a page in a notebook, and saving as the command does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from vedit.clip import Clip
from vedit.clip.lazy import LazyClip
from vedit.clip.preview import preview
from vedit.config import Sampled, UpscaleConfig
from vedit.jobs.outputs import check_files, write_result
from vedit.session import Model


class Saved:
    """A result that can be written as its command writes it, and reads as one line."""

    config: Sampled | UpscaleConfig
    made_with: dict[str, str]
    timings: dict[str, float]

    @property
    def shown(self) -> Clip | LazyClip:
        """The clip itself."""
        raise NotImplementedError

    def save(self, path: str | Path, *, overwrite: bool = False) -> tuple[Path, ...]:
        """Write the clip as the command does, and beside it the settings that `vedit rerun` takes.

        Returns:
            The files, the clip first.

        Raises:
            MediaError: where they cannot be written
            ConfigError: where they would replace what is read
        """
        names = {"sheet", "compare"} & type(self.config).model_fields.keys()
        others: dict[str, Any] = dict.fromkeys(names)
        asked = self.config.model_copy(update={"output": Path(path).expanduser(), "overwrite": overwrite, **others})
        check_files(asked)
        return tuple(write_result(self.shown, asked, self.made_with))

    def __repr__(self) -> str:
        prompt = self.config.prompt
        words = prompt if len(prompt) <= 60 else f"{prompt[:57]}..."
        return f"{type(self).__name__}({self.shown!r}, {words!r}, {sum(self.timings.values()):.1f} s)"


class SavedClip(Saved):
    """A result that is a whole ``clip``."""

    clip: Clip

    @property
    def shown(self) -> Clip:
        return self.clip

    def _repr_html_(self) -> str:
        return html(self.clip)


def html(video: Clip | LazyClip, source: Clip | LazyClip | None = None, caption: str = "") -> str:
    """HTML that plays a result, the source beside it where there is one of as many frames."""
    beside = source if source is not None and len(source) == len(video) else None
    said = f"{'source and result' if beside else 'result'}: {caption or repr(video)}"
    return preview(video.frames, video.rate, video.audio, said, None if beside is None else beside.frames)


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
