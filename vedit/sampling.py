"""The one denoising loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from vedit.backbone.model import Backbone
from vedit.condition import Condition, residuals
from vedit.guiders import Guider, same_length
from vedit.progress import Progress
from vedit.schedule import Schedule


@dataclass(frozen=True)
class Source:
    """The clip being edited, as a lender of its structure: its ``text`` (1, T, D), the ``trace`` (S + 1, F, 4, h, w),
    clean first, that the steps follow, and for how many ``steps`` from the beginning it lends."""

    text: Tensor
    trace: Tensor
    steps: int

    def before(self, index: int) -> Tensor:
        """The source's own latents (F, 4, h, w) before the step of this index."""
        return self.trace[len(self.trace) - 1 - index]


@torch.no_grad()
def denoise(
    backbone: Backbone,
    x: Tensor,
    schedule: Schedule,
    guider: Guider,
    *,
    conditions: Sequence[Condition] = (),
    source: Source | None = None,
    after_step: Callable[[Tensor, int], Tensor] | None = None,
    progress: Progress | None = None,
) -> Tensor:
    """From noise (F, 4, h, w) at the schedule's first step to clean latents (F, 4, h, w), by DDIM.

    ``conditions`` steer beside the prompt. ``source`` lends its structure in its first steps. ``after_step`` may
    correct the latents (F, 4, h, w) after the step of a given index (``masks.Keep.blend`` does). The branches of the
    guider run as one batch; when memory does not suffice for that, one after the other.
    """
    x = x.to(backbone.device, torch.float32)
    text = guider.text.to(backbone.device)
    split = False
    for index, t in enumerate(schedule.timesteps.tolist()):
        lent = source.before(index).to(x) if source is not None and index < source.steps else None
        lender = None if source is None or lent is None else (source.text.to(text), lent)
        acting = [each for each in conditions if each.active(schedule.window(index))]
        outputs = None
        if not split:
            try:
                outputs = _outputs(backbone, x, t, text, acting, lender)
            except torch.cuda.OutOfMemoryError:
                torch.cuda.empty_cache()
                split = True
        if outputs is None:
            outputs = torch.cat([_outputs(backbone, x, t, one[None], acting, lender) for one in text])
        x = schedule.step(x, guider.combine(outputs.float(), partial(schedule.clean, x, index=index)), index)
        if after_step is not None:
            x = after_step(x, index)
        if progress is not None:
            progress("denoising", index + 1, len(schedule))
    return x


def _outputs(
    backbone: Backbone,
    x: Tensor,
    t: int,
    text: Tensor,
    acting: Sequence[Condition],
    lender: tuple[Tensor, Tensor] | None,
) -> Tensor:
    """What the network says (N, F, 4, h, w) of ``x`` (F, 4, h, w) for the branches' ``text`` (N, T, D), under the
    conditions that are ``acting``; ``lender`` is the source's text (1, T, D) and latents (F, 4, h, w)."""
    branches, added = x.expand(len(text), *x.shape), residuals(acting, x, t, text)
    if lender is None:
        return backbone.predict(branches, t, text, residuals=added)
    theirs, ours = same_length(lender[0], text)
    together = torch.cat([lender[1][None], branches])
    if added is not None:
        added = added.behind(len(x))  # the source is as it is
    return backbone.predict(together, t, torch.cat([theirs, ours]), inject=True, residuals=added)[1:]


def noise(seed: int, frames: int, shape: tuple[int, int, int], *, first: int = 0) -> Tensor:
    """Gaussian noise (F, *shape), each frame keyed by (seed, frame): a longer clip keeps its first frames' noise."""
    rows = []
    for frame in range(first, first + frames):
        generator = torch.Generator().manual_seed((seed * 0x9E3779B97F4A7C15 + frame * 0xD1B54A32D192ED03) % 2**63)
        rows.append(torch.randn(shape, generator=generator))
    return torch.stack(rows)
