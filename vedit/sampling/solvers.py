"""Solvers: what takes a step of sampling. DDIM's and DDPM's are the schedule's own, the others are diffusers'."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from vedit.schedule import Schedule, solver_scheduler

FRAMES = 1 << 20
"""More than a clip has. What is drawn in a step is keyed by numbers past those of the frames, by which the noise is
keyed that sampling begins with; all of them stay below 2**32, of which PyTorch's generators on a CPU take notice."""


class Solver(Protocol):
    """Takes the steps of one sampling, in their order."""

    @property
    def remembers(self) -> bool:
        """Whether a step depends on those before it in more than the latents that they ended with."""

    def step(self, x: Tensor, output: Tensor, index: int, cut: slice) -> Tensor:
        """From the latents of some frames before the step of an index to those after it.

        Args:
            x: (F', 4, h, w)
            output: what the network says of them, guided
            index: of the step, 0 being the noisiest of the schedule
            cut: which of the clip's frames these are
        """


@dataclass(frozen=True)
class Ddim:
    """The steps of a ``schedule`` as it has them."""

    schedule: Schedule
    remembers: ClassVar[bool] = False

    def step(self, x: Tensor, output: Tensor, index: int, cut: slice) -> Tensor:
        return self.schedule.step(x, output, index)


@dataclass(frozen=True)
class Ddpm:
    """Ancestral steps of a ``schedule``, with fresh noise in each: what an earlier step got wrong is drawn anew.

    Attributes:
        generators: what a step of an index draws it from, for each frame of a ``cut``
        common: what it draws the half of it from that all frames share, as in PYoCo's mixed noise (Ge et al. 2023,
            section 3.2, alpha 1); None where each frame has its own
    """

    schedule: Schedule
    generators: Callable[[int, slice], list[torch.Generator]]
    common: Callable[[int], torch.Generator] | None = None
    remembers: ClassVar[bool] = False

    def step(self, x: Tensor, output: Tensor, index: int, cut: slice) -> Tensor:
        shape = x.shape[1:]
        noise = torch.stack([torch.randn(shape, generator=each) for each in self.generators(index, cut)])
        if self.common is not None:
            noise = (noise + torch.randn(shape, generator=self.common(index))) / 2**0.5
        return self.schedule.ancestral_step(x, output, noise.to(x.device), index)


@dataclass(eq=False)
class DiffusersSolver:
    """Steps of a scheduler of diffusers, which remembers what the network said before: one for each stretch of frames.

    Where the stretches become others, as they do when a condition that looks at the whole clip sets in, their first
    step is one of the first order, as the first step of all is.

    DPM-Solver++ (Lu et al. 2022, multistep, second order) is taken and not UniPC, whose corrector begins again from the
    latents before the last step: what a mask has blended into them since would be lost.

    Attributes:
        config: the model's scheduler config
        schedule: the steps that are taken
        generators: what a step of an index draws its noise from for each frame of a ``cut``; None where it draws none
    """

    config: Mapping[str, Any]
    schedule: Schedule
    generators: Callable[[int, slice], list[torch.Generator]] | None = None
    remembers: ClassVar[bool] = True
    _at: dict[tuple[int, int], tuple[Any, int]] = field(default_factory=dict)

    def step(self, x: Tensor, output: Tensor, index: int, cut: slice) -> Tensor:
        key = cut.start, cut.stop
        scheduler, begun = self._at.get(key, (None, index))
        if scheduler is None or begun != index:
            schedule = self.schedule
            scheduler = solver_scheduler(self.config, schedule.sampler, schedule.skipped + len(schedule))
            scheduler.set_begin_index(schedule.skipped + index)
        drawn = {} if self.generators is None else {"generator": self.generators(index, cut)}
        time = self.schedule.timesteps[index]
        (after, *_) = scheduler.step(output.float(), time, x.float(), return_dict=False, **drawn)
        self._at[key] = scheduler, index + 1
        made: Tensor = after
        return made


def solver_of(
    config: Mapping[str, Any], schedule: Schedule, keyed: Callable[[int], torch.Generator], *, shared: bool = False
) -> Solver:
    """What takes the steps of a ``schedule`` of a model's scheduler config.

    Args:
        keyed: a generator for each number, of the noise that a sampler may draw in its steps
        shared: whether the noise that they begin with is the same in all frames; what is drawn in steps then is too,
            or half of it
    """
    if schedule.sampler == "ddim":
        return Ddim(schedule)

    def first(index: int) -> int:
        return (schedule.skipped + index + 1) * FRAMES

    def generators(index: int, cut: slice) -> list[torch.Generator]:
        return [keyed(first(index) + frame) for frame in range(cut.start, cut.stop)]

    def same(index: int, cut: slice) -> list[torch.Generator]:
        return [keyed(first(index)) for _ in range(cut.start, cut.stop)]

    if schedule.sampler == "ddpm":
        return Ddpm(schedule, generators, (lambda index: keyed(first(index) - 1)) if shared else None)
    drawn = same if shared else generators
    return DiffusersSolver(config, schedule, drawn if schedule.sampler == "lcm" else None)
