"""Where sampling starts: clean latents (and their prompt) to noise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from torch import Tensor

from vedit.backbone.model import Backbone
from vedit.progress import Progress
from vedit.schedule import Schedule


@dataclass(frozen=True)
class Start:
    """Starting noise (F, 4, h, w) and, where the prior has one, the trace (S + 1, F, 4, h, w), clean first."""

    noise: Tensor
    trace: Tensor | None = None


class Prior(Protocol):
    """A way from clean latents to starting noise."""

    def start(
        self,
        backbone: Backbone,
        latents: Tensor,
        text: Tensor,
        schedule: Schedule,
        *,
        seed: int,
        cache: Path | None = None,
        progress: Progress | None = None,
    ) -> Start:
        """``latents`` (F, 4, h, w), ``text`` (1, T, D) of the source's prompt."""
