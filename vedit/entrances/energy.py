"""Steering by a gradient: down an energy, which is a number that falls as the clip becomes what it is to be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from vedit.entrances import Entrance
from vedit.request import Request
from vedit.schedule import Index, Schedule


@dataclass(frozen=True, eq=False)
class Energy(Entrance):
    """Leads each step down the gradient of an energy of the clean latents that the guided output predicts.

    The gradient by the noisy latents is added to the predicted noise in units of its level, in each frame times the
    strength, as a classifier's would be whose log-likelihood is the negative energy. An energy of frames decodes them
    with ``Backbone.decode_with_gradient``.

    Source: Dhariwal & Nichol 2021, eq. 14; of the predicted clean latents, Universal Guidance, Bansal et al. 2023, eq.
    6, and FreeDoM, Yu et al. 2023, eq. 10.

    Attributes:
        energy: from predicted clean latents (F, C, h, w) to a number ()
        through_network: whether the gradient goes through the network, which is exact and takes the memory and time of
            a step of training, of all windows together where a long clip is seen in some. Otherwise the network counts
            as the linear function that it is for Gaussian latents of unit variance (the clean ones are the noisy ones
            times the signal): the predicted clean latents then descend their own gradient by the strength times the
            variance of the noise.
    """

    energy: Callable[[Tensor], Tensor]
    through_network: bool = True

    def enter(self, request: Request, strength: Tensor) -> Request:
        latents = request.latents
        if self.through_network and not latents.requires_grad:
            latents = latents.detach().requires_grad_()
        gradient = partial(self.gradient, strength)
        return replace(request, latents=latents, energies=(*request.energies, gradient), of_whole_clip=True)

    @torch.enable_grad()
    def gradient(
        self, strength: Tensor, latents: Tensor, output: Tensor, schedule: Schedule, index: Index, cut: slice
    ) -> Tensor:
        """The gradient (F, C, h, w) by the ``latents`` before the step of this index, in each frame times its
        ``strength`` (F,), given the guided ``output`` for them, both (F, C, h, w); the ``cut`` is the whole clip."""
        clean = schedule.clean(latents, output, index=index)
        if self.through_network:
            (found,) = torch.autograd.grad(self.energy(clean), latents, retain_graph=True)  # others may go through it
        else:
            clean = clean.detach().requires_grad_()
            (found,) = torch.autograd.grad(self.energy(clean), clean)
            found = found * schedule.level(index, found.device).signal
        return found * strength.to(found).view(-1, 1, 1, 1)


FrameEnergy = Callable[[Tensor, Tensor, slice], Tensor]
"""From predicted clean latents (F', C, h, w) of some frames, those of the clip's first frame (C, h, w), and which
frames of the clip these are, to a number () that is a sum over them."""


@dataclass(frozen=True, eq=False)
class EnergyOfFrames(Entrance):
    """``Energy``, not through the network, where it is a sum over frames, each of which is compared with the first one
    at most: so it is taken of a few frames at a time, whatever the length of the clip.

    Attributes:
        energy: of some of the frames
    """

    energy: FrameEnergy

    def enter(self, request: Request, strength: Tensor) -> Request:
        return replace(request, energies=(*request.energies, _OneStep(self.energy, strength)))


class _OneStep:
    """The gradient of an energy of frames in one step, stretch by stretch from the clip's first frame on."""

    def __init__(self, energy: FrameEnergy, strength: Tensor) -> None:
        self._energy, self._strength = energy, strength
        self._first: Tensor | None = None

    @torch.enable_grad()
    def __call__(self, latents: Tensor, output: Tensor, schedule: Schedule, index: Index, cut: slice) -> Tensor:
        """The gradient (F', C, h, w) for the frames of a ``cut``; see ``Energy.gradient``."""
        clean = schedule.clean(latents, output, index=index).detach().requires_grad_()
        if self._first is None:
            self._first = clean[0].detach()
        (found,) = torch.autograd.grad(self._energy(clean, self._first, cut), clean)
        found = found * schedule.level(index, found.device).signal
        return found * self._strength[cut].to(found).view(-1, 1, 1, 1)
