"""The denoising loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from vedit.backbone.model import Backbone
from vedit.condition import Condition, attached, enter, of_source
from vedit.guiders import Guider
from vedit.mapped import let_go
from vedit.prediction import Predictor
from vedit.progress import Progress
from vedit.prompt import Prompt
from vedit.request import Request
from vedit.schedule import Schedule


@dataclass(frozen=True)
class InjectionSource:
    """The clip being edited, whose queries, keys and features are injected into the edit in the first steps.

    text: its prompt (1, T, D); trace: of its inversion (S + 1, F, 4, h, w), clean first
    steps: in how many steps from the first it is injected
    guided: whether conditions that hold for it steer it too, as they do where they steered its inversion
    """

    text: Tensor
    trace: Tensor
    steps: int
    guided: bool = False

    def request(
        self, schedule: Schedule, index: int, conditions: Sequence[Condition], device: torch.device
    ) -> Request | None:
        """What is asked of the network, on its ``device``, for the source before the step of this index; None where it
        is not injected."""
        if index >= self.steps:
            return None
        let_go(self.trace)  # of the step before
        latents = self.trace[len(self.trace) - 1 - index].to(device)
        request = Request(latents, int(schedule.timesteps[index]), Prompt(self.text))
        return enter(of_source(conditions), request, schedule.window(index)) if self.guided else request


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
    only: slice | None = None,
    progress: Progress | None = None,
) -> Tensor:
    """Denoise (F, 4, h, w) from the schedule's first step to clean latents (F, 4, h, w), by DDIM.

    ``conditions`` steer beside the prompt. ``source`` is injected in its first steps. ``after_step`` may change the
    latents (F, 4, h, w) after the step of a given index, as ``masks.LatentBlend.blend`` does. ``only`` are the frames
    that are seen, side by side; what comes of the others is of no use. All branches run as one batch; where memory does
    not suffice for that, one after the other.
    """
    x = x.to(backbone.device, torch.float32)
    prompts, predict = guider.prompts.to(backbone.device), Predictor(backbone, only)
    conditions = [each.begin() for each in conditions]
    with attached(conditions, backbone):
        for index, t in enumerate(schedule.timesteps.tolist()):
            request = enter(conditions, Request(x, t, prompts), schedule.window(index))
            lent = source.request(schedule, index, conditions, x.device) if source is not None else None
            x = schedule.step(x, guided_output(predict, request, lent, guider, schedule, index), index)
            if after_step is not None:
                x = after_step(x, index)
            if progress is not None:
                progress("denoising", index + 1, len(schedule))
    return x


def guided_output(
    predict: Predictor, request: Request, source: Request | None, guider: Guider, schedule: Schedule, index: int
) -> Tensor:
    """The output (F, 4, h, w) before the step of this index, guided by all that has entered the ``request``."""
    with torch.set_grad_enabled(request.latents.requires_grad):
        outputs = predict(request, source, step=schedule.skipped + index)
        lead = request.lead(outputs, guider.scale)
        clean = partial(schedule.clean, request.latents, index=index)
        output = guider.combine(outputs[: len(request.prompt)], clean, lead)
    gradient = request.gradient(output, schedule, index)
    return output if gradient is None else schedule.descend(output.detach(), gradient, index)


def noise(seed: int, frames: int, shape: tuple[int, int, int], *, first: int = 0) -> Tensor:
    """Gaussian noise (F, *shape), each frame keyed by (seed, frame): a longer clip keeps its first frames' noise."""
    rows = []
    for frame in range(first, first + frames):
        generator = torch.Generator().manual_seed((seed * 0x9E3779B97F4A7C15 + frame * 0xD1B54A32D192ED03) % 2**63)
        rows.append(torch.randn(shape, generator=generator))
    return torch.stack(rows)
