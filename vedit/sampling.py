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
class InjectionSource:
    """The clip being edited, whose queries, keys and features are injected into the edit in the first steps.

    text: its prompt (1, T, D); trace: of its inversion (S + 1, F, 4, h, w), clean first
    steps: in how many steps from the first it is injected
    guided: whether conditions steer it too, as they do where they steered its inversion
    """

    text: Tensor
    trace: Tensor
    steps: int
    guided: bool = False

    def at(self, index: int) -> SourceStep:
        """The source before the step of this index."""
        return SourceStep(self.text, self.trace[len(self.trace) - 1 - index], self.guided)


@dataclass(frozen=True)
class SourceStep:
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
    source: InjectionSource | None = None,
    after_step: Callable[[Tensor, int], Tensor] | None = None,
    progress: Progress | None = None,
) -> Tensor:
    """Denoise (F, 4, h, w) from the schedule's first step to clean latents (F, 4, h, w), by DDIM.

    ``conditions`` steer beside the prompt. ``source`` is injected in its first steps. ``after_step`` may change the
    latents (F, 4, h, w) after the step of a given index, as ``masks.LatentBlend.blend`` does. All branches run as one
    batch; where memory does not suffice for that, one after the other.
    """
    x = x.to(backbone.device, torch.float32)
    semantic = [None if each.tokens is None else SemanticGuidance(each) for each in conditions]
    split = False
    for index, t in enumerate(schedule.timesteps.tolist()):
        source_step = source.at(index) if source is not None and index < source.steps else None
        active = [each.active(schedule.window(index)) for each in conditions]
        acting = [*compress(conditions, active)]
        semantics = [each for each in compress(semantic, active) if each is not None]
        text, emphasis = _branches(guider, semantics, backbone.device)
        outputs = None
        if not split:
            try:
                outputs = _outputs(backbone, x, t, text, emphasis, acting, source_step)
            except torch.OutOfMemoryError:
                split = True
        if outputs is None:
            # Not before the error is gone, which holds on to what the failed pass has made.
            torch.cuda.empty_cache()
            weights = [None] * len(text) if emphasis is None else emphasis.split(1)
            alone = zip(text.split(1), weights, strict=True)
            outputs = torch.cat([_outputs(backbone, x, t, *each, acting, source_step) for each in alone])
        predictions, semantic_outputs = outputs.float().split([len(text) - len(semantics), len(semantics)])
        leads = [
            each.lead(one - predictions[0], guider.scale) for each, one in zip(semantics, semantic_outputs, strict=True)
        ]
        combined = guider.combine(predictions, partial(schedule.clean, x, index=index), sum(leads))
        x = schedule.step(x, combined, index)
        if after_step is not None:
            x = after_step(x, index)
        if progress is not None:
            progress("denoising", index + 1, len(schedule))
    return x


def _branches(
    guider: Guider, semantics: Sequence[SemanticGuidance], device: torch.device
) -> tuple[Tensor, Tensor | None]:
    """The text and the token weights of all branches: the guider's, with the tokens of ``semantics`` appended, then one
    branch for each of ``semantics``."""
    text, emphasis = guider.text.to(device), guider.emphasis
    for each in semantics:
        text, emphasis = join_tokens(text, emphasis, each.tokens)
    text = torch.cat(broadcast_texts(text, *(each.tokens.text[None].to(text) for each in semantics)))
    if emphasis is None:
        return text, None
    emphasis = emphasis.repeat(1, 1, text.shape[-2] // emphasis.shape[-1])
    plain = torch.ones_like(emphasis[:1]).expand(len(semantics), -1, -1)
    return text, torch.cat([emphasis, plain])


def _outputs(
    backbone: Backbone,
    x: Tensor,
    t: int,
    text: Tensor,
    emphasis: Tensor | None,
    acting: Sequence[Condition],
    source_step: SourceStep | None,
) -> Tensor:
    """The network's output (N, F, 4, h, w) for ``x`` (F, 4, h, w) and the branches' ``text`` with its ``emphasis``,
    under the conditions that are ``acting``, with the source of ``source_step`` as a further branch that is injected.
    """
    branches, added = x.expand(len(text), *x.shape), residuals(acting, x, t, text)
    if source_step is None:
        return backbone.predict(branches, t, text, residuals=added, emphasis=emphasis)
    source_text, branch_text = broadcast_texts(source_step.text.to(text), text)
    if emphasis is not None:
        emphasis = emphasis.repeat(1, 1, branch_text.shape[-2] // emphasis.shape[-1])
        emphasis = torch.cat([torch.ones_like(emphasis[:1]), emphasis])
    latents = source_step.latents.to(x)
    if added is not None:
        source_residuals = residuals(acting, latents, t, source_text) if source_step.guided else None
        added = added.after(source_residuals) if source_residuals is not None else added.behind(len(x))
    together = torch.cat([latents[None], branches])
    all_text = torch.cat([source_text, branch_text])
    return backbone.predict(together, t, all_text, inject=True, residuals=added, emphasis=emphasis)[1:]


def noise(seed: int, frames: int, shape: tuple[int, int, int], *, first: int = 0) -> Tensor:
    """Gaussian noise (F, *shape), each frame keyed by (seed, frame): a longer clip keeps its first frames' noise."""
    rows = []
    for frame in range(first, first + frames):
        generator = torch.Generator().manual_seed((seed * 0x9E3779B97F4A7C15 + frame * 0xD1B54A32D192ED03) % 2**63)
        rows.append(torch.randn(shape, generator=generator))
    return torch.stack(rows)
