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

    def at(self, steps: Schedule, latents: Tensor) -> tuple[Tensor, Tensor | None]:
        """Where to begin when only the last ``steps`` are taken, and the trace that leads there.

        A trace knows the place; without one, the clean ``latents`` (F, 4, h, w) are brought to that level of noise.
        """
        if self.trace is not None:
            trace = self.trace[: len(steps) + 1]
            return trace[-1], trace
        if steps.whole:
            return self.noise, None
        return steps.add_noise(latents, self.noise, 0), None


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
