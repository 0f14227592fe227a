"""The denoising loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import compress

import torch
from torch import Tensor

from vedit.backbone.model import Backbone
from vedit.condition import Condition, residuals
from vedit.guiders import Guider, SemanticGuidance, broadcast_texts, join_tokens
from vedit.progress import Progress
from vedit.schedule import Schedule


@dataclass(frozen=True)
class Source:
    """The clip being edited, as a lender of its structure: its ``text`` (1, T, D), the ``trace`` (S + 1, F, 4, h, w),
    clean first, that the steps follow, for how many ``steps`` from the beginning it lends, and whether it is ``guided``
    by the conditions too, as it is where they guided its inversion."""

    text: Tensor
    trace: Tensor
    steps: int
    guided: bool = False

    def at(self, index: int) -> Lender:
        """The source as it is before the step of this index."""
        return Lender(self.text, self.trace[len(self.trace) - 1 - index], self.guided)


@dataclass(frozen=True)
class Lender:
    """The source in one step: its ``text`` (1, T, D) and ``latents`` (F, 4, h, w), and whether it is ``guided``."""

    text: Tensor
    latents: Tensor
    guided: bool


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
    correct the latents (F, 4, h, w) after the step of a given index (``masks.LatentBlend.blend`` does). The branches of
    the guider and of the conditions run as one batch; when memory does not suffice for that, one after the other.
    """
    x = x.to(backbone.device, torch.float32)
    speaking = [None if each.tokens is None else SemanticGuidance(each) for each in conditions]
    split = False
    for index, t in enumerate(schedule.timesteps.tolist()):
        lender = source.at(index) if source is not None and index < source.steps else None
        active = [each.active(schedule.window(index)) for each in conditions]
        acting = [*compress(conditions, active)]
        others = [each for each in compress(speaking, active) if each is not None]
        text, emphasis = _branches(guider, others, backbone.device)
        outputs = None
        if not split:
            try:
                outputs = _outputs(backbone, x, t, text, emphasis, acting, lender)
            except torch.OutOfMemoryError:
                split = True
        if outputs is None:
            # Not before the error is gone, which holds on to what the failed pass has made.
            torch.cuda.empty_cache()
            weights = [None] * len(text) if emphasis is None else emphasis.split(1)
            alone = zip(text.split(1), weights, strict=True)
            outputs = torch.cat([_outputs(backbone, x, t, *each, acting, lender) for each in alone])
        told, said = outputs.float().split([len(text) - len(others), len(others)])
        leads = [each.lead(one - told[0], guider.scale) for each, one in zip(others, said, strict=True)]
        combined = guider.combine(told, partial(schedule.clean, x, index=index), sum(leads))
        x = schedule.step(x, combined, index)
        if after_step is not None:
            x = after_step(x, index)
        if progress is not None:
            progress("denoising", index + 1, len(schedule))
    return x


def _branches(guider: Guider, others: Sequence[SemanticGuidance], device: torch.device) -> tuple[Tensor, Tensor | None]:
    """The text and the emphasis of all branches: the guider's, which the ``others`` join, and those of the others."""
    text, emphasis = guider.text.to(device), guider.emphasis
    for each in others:
        text, emphasis = join_tokens(text, emphasis, each.tokens)
    text = torch.cat(broadcast_texts(text, *(each.tokens.text[None].to(text) for each in others)))
    if emphasis is None:
        return text, None
    emphasis = emphasis.repeat(1, 1, text.shape[-2] // emphasis.shape[-1])
    plain = torch.ones_like(emphasis[:1]).expand(len(others), -1, -1)
    return text, torch.cat([emphasis, plain])


def _outputs(
    backbone: Backbone,
    x: Tensor,
    t: int,
    text: Tensor,
    emphasis: Tensor | None,
    acting: Sequence[Condition],
    lender: Lender | None,
) -> Tensor:
    """What the network says (N, F, 4, h, w) of ``x`` (F, 4, h, w) for the branches' ``text`` and its ``emphasis``,
    under the conditions that are ``acting``, beside the source that is its ``lender``."""
    branches, added = x.expand(len(text), *x.shape), residuals(acting, x, t, text)
    if lender is None:
        return backbone.predict(branches, t, text, residuals=added, emphasis=emphasis)
    theirs, ours = broadcast_texts(lender.text.to(text), text)
    if emphasis is not None:
        emphasis = emphasis.repeat(1, 1, ours.shape[-2] // emphasis.shape[-1])
        emphasis = torch.cat([torch.ones_like(emphasis[:1]), emphasis])
    latents = lender.latents.to(x)
    if added is not None:
        own = residuals(acting, latents, t, theirs) if lender.guided else None
        added = added.after(own) if own is not None else added.behind(len(x))
    together = torch.cat([latents[None], branches])
    words = torch.cat([theirs, ours])
    return backbone.predict(together, t, words, inject=True, residuals=added, emphasis=emphasis)[1:]


def noise(seed: int, frames: int, shape: tuple[int, int, int], *, first: int = 0) -> Tensor:
    """Gaussian noise (F, *shape), each frame keyed by (seed, frame): a longer clip keeps its first frames' noise."""
    rows = []
    for frame in range(first, first + frames):
        generator = torch.Generator().manual_seed((seed * 0x9E3779B97F4A7C15 + frame * 0xD1B54A32D192ED03) % 2**63)
        rows.append(torch.randn(shape, generator=generator))
    return torch.stack(rows)
