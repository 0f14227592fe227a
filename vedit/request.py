"""Request: what is asked of the network in one step, before and after conditions have entered it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vedit.attention.context import TokensApart
from vedit.prompt import Prompt
from vedit.schedule import Index, Schedule
from vedit.windows import as_index

if TYPE_CHECKING:
    from vedit.entrances.residuals import Residuals

Timestep = int | Tensor
"""One for all frames, or one for each (F,)."""


def flat_timestep(t: Timestep, branches: int, frames: int) -> Tensor:
    """A timestep of all (), of each frame (F,), or of each frame in each branch (N, F), for a flattened batch: () or (N
    F,)."""
    t = torch.as_tensor(t)
    return t if t.ndim == 0 else t.expand(branches, frames).flatten()


Scale = float | Sequence[float]
"""A guidance scale: one for all frames, or one for each (F,)."""

Frames = slice | list[int] | Tensor
"""Some frames of a clip: a stretch of them, or their indices (F',) in any order."""

Control = Callable[[Tensor, Timestep, Tensor, Frames], "Residuals"]
"""From latents (F, C, h, w), the same in all branches, their timestep, the branches' texts (N, T, D) or (N, F, T, D),
and which frames of the clip these are, to residuals of all branches."""


def of_frames(scale: Scale, cut: slice) -> Scale:
    """A guidance scale for some of the frames."""
    return scale if isinstance(scale, (int, float)) else scale[cut]


Lead = Callable[[Tensor, Scale, slice], Tensor]
"""From a direction (F, C, h, w) between two predictions of some frames, their guidance scale, and which frames of the
clip these are, to the guidance to add. It is asked of each frame once in a step."""

Gradient = Callable[[Tensor, Tensor, Schedule, Index, slice], Tensor]
"""From latents and the guided output for them, both (F', C, h, w), before the step of an index of a schedule, and which
frames of the clip these are, to the gradient of an energy by the latents. In a step it is asked of one stretch of
frames after the other, from the clip's first on."""


@dataclass(frozen=True, eq=False)
class BranchBeside:
    """A further branch, whose prediction guides beside the prompt's.

    Attributes:
        prompt: of one branch
        lead: what is made of the direction from the first branch's prediction to this one's
    """

    prompt: Prompt
    lead: Lead


@dataclass(frozen=True, eq=False)
class Request:
    """What is asked of the network in one step: a prediction of the same latents in each of N branches.

    Made by the loop, and changed by the entrances of conditions (``vedit.entrances``). The defaults are what it is
    without conditions, and cost nothing.

    Attributes:
        latents: (F, C, h, w), noisy; they require a gradient where an energy wants one through the network
        timestep: of all frames, or of each (F,)
        prompt: of the guider's N branches: first the one guided away from, if there is one, and last the prompt
        controls: make residuals, which are added up
        tokens_apart: further tokens of all N branches, which cross-attention looks at apart from the prompt's
        channels: further input (F, C', h, w) beside the latents, the same in all branches
        beside: further branches, after the N
        energies: gradients that steer the guided output, added up
        of_whole_clip: whether one of these looks at all frames together, and so is asked of them at once
        indices: which frames of the clip these are; None for all
    """

    latents: Tensor
    timestep: Timestep
    prompt: Prompt
    controls: tuple[Control, ...] = ()
    tokens_apart: tuple[TokensApart, ...] = ()
    channels: Tensor | None = None
    beside: tuple[BranchBeside, ...] = ()
    energies: tuple[Gradient, ...] = ()
    of_whole_clip: bool = False
    indices: Sequence[int] | None = None

    def frames(self, which: Sequence[int]) -> Request:
        """What is asked of some frames, by their indices among these. Energies look at the whole clip, and so are not
        among it."""
        cut, own = as_index(which), self.indices
        there = which if own is None else own[cut] if isinstance(cut, slice) else [own[each] for each in cut]
        return replace(self._at(cut), indices=there)

    def reordered(self, order: Tensor) -> Request:
        """What is asked of the clip whose frames are those of these indices (F',); energies are not among it."""
        controls = tuple(partial(_control_of, control, order) for control in self.controls)
        return replace(self._at(order), controls=controls)

    def _at(self, frames: Frames) -> Request:
        each_frame = isinstance(self.timestep, Tensor) and self.timestep.ndim > 0
        return replace(
            self,
            latents=self.latents[frames],
            timestep=self.timestep[frames] if each_frame else self.timestep,  # type: ignore[index]
            prompt=self.prompt.frames(frames),
            tokens_apart=tuple(each.frames(frames) for each in self.tokens_apart),
            channels=None if self.channels is None else self.channels[frames],
            beside=tuple(replace(each, prompt=each.prompt.frames(frames)) for each in self.beside),
            energies=(),
            of_whole_clip=False,
        )

    def with_all_branches(self) -> Request:
        """The same, with the branches beside among the others. Tokens apart are in them as in the first branch, so that
        the direction between the two is that of their texts alone."""
        if not self.beside:
            return self
        prompt = Prompt.together(self.prompt, *(each.prompt for each in self.beside))
        tokens = tuple(each.repeat_first(len(self.beside)) for each in self.tokens_apart)
        return replace(self, prompt=prompt, tokens_apart=tokens, beside=())

    def split(self) -> list[Request]:
        """One request for each of the N branches."""
        return [
            replace(self, prompt=prompt, tokens_apart=tuple(each.branch(branch) for each in self.tokens_apart))
            for branch, prompt in enumerate(self.prompt)
        ]

    @property
    def which(self) -> Frames:
        """Which frames of the clip these are."""
        return as_index(range(len(self.latents)) if self.indices is None else self.indices)

    def residuals(self) -> Residuals | None:
        """The sum of what the controls add to the UNet in the N branches; None where there are none."""
        made = [control(self.latents, self.timestep, self.prompt.states, self.which) for control in self.controls]
        return reduce(operator.add, made) if made else None

    def lead(self, outputs: Tensor, scale: Scale, cut: slice) -> Tensor | float:
        """The guidance (F', C, h, w) of the branches beside, for the frames of a ``cut``, given their outputs (N + ...,
        F', C, h, w) of all branches and their guidance scale."""
        directions = [output - outputs[0] for output in outputs[len(self.prompt) :]]
        return sum(each.lead(direction, scale, cut) for each, direction in zip(self.beside, directions, strict=True))

    def gradient(self, output: Tensor, schedule: Schedule, index: Index, cut: slice) -> Tensor | None:
        """The gradient (F', C, h, w) of all energies by the latents, given the guided output for the frames of a
        ``cut`` before the step of this index; None where there are none."""
        latents = self.latents if self.of_whole_clip else self.latents[cut]  # a gradient is asked by the very tensor
        made = [each(latents, output, schedule, index, cut) for each in self.energies]
        return reduce(operator.add, made) if made else None


def _control_of(
    control: Control, order: Tensor, latents: Tensor, timestep: Timestep, text: Tensor, frames: Frames
) -> Residuals:
    """What a control makes of some ``frames`` of a clip in another ``order`` of its frames."""
    return control(latents, timestep, text, order[frames])
