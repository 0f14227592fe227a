"""Two clocks: what is drawn is held to where it is to be longer than the rest, which is free to become natural."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from vedit.mapped import drawn_in_chunks, in_chunks, let_go, room_for
from vedit.schedule import Schedule


@dataclass(frozen=True, eq=False)
class DualClock:
    """Latents that follow a reference, each up to its own share of the steps, and then go their own way.

    Source: Time-to-Move, Singer et al. 2025, algorithm 1, with a clock for each latent.

    Attributes:
        reference: (F, 4, h, w) clean latents
        noise: (F, 4, h, w) the same in all steps, or what is held would flicker
        until: (F, 1, h, w) the share of the whole trajectory, 0 (pure noise) to 1 (clean), up to which each is held
        schedule: the steps that are taken
    """

    reference: Tensor
    noise: Tensor
    until: Tensor
    schedule: Schedule

    def begin(self) -> Tensor:
        """Where to start: the reference under noise; pure noise where all steps are taken, but for what is held."""
        found = room_for(self.noise.shape, device=self.noise.device)
        for cut in in_chunks(len(found), found, self.reference, self.noise):
            noised = self.schedule.add_noise(self.reference[cut], self.noise[cut], 0)
            pure = self.schedule.whole
            found[cut] = torch.where(self.until[cut] > 0, noised, self.noise[cut]) if pure else noised
        return found

    def hold(self, x: Tensor, index: int, cut: slice) -> Tensor:
        """The latents of the frames of a ``cut`` after step ``index``, with the reference put back where it is held."""
        held = self.until[cut].to(x.device) >= self.schedule.window(index)[1] - 1e-6
        last = index + 1 == len(self.schedule)  # where a schedule may leave a little noise
        reference = self.reference[cut]
        there = reference if last else self.schedule.level(index + 1, x.device).noised(reference, self.noise[cut])
        kept = torch.where(held, there, x)
        let_go(self.reference, self.noise)
        return kept


def latents_held(held: Tensor, vae_scale_factor: int) -> Tensor:
    """Which latents (F, 1, h, w) bool hold anything of some pixels (F, H, W) bool."""
    return drawn_in_chunks(lambda part: F.max_pool2d(part[:, None].float(), vae_scale_factor) > 0.5, held)


def latents_mostly(held: Tensor, vae_scale_factor: int) -> Tensor:
    """Which latents (F, 1, h, w) bool hold those for the better half."""
    return drawn_in_chunks(lambda part: F.avg_pool2d(part[:, None].float(), vae_scale_factor) >= 0.5, held)


def latents_whole(held: Tensor, vae_scale_factor: int) -> Tensor:
    """Which latents (F, 1, h, w) bool hold nothing else."""
    return drawn_in_chunks(lambda part: -F.max_pool2d(-part[:, None].float(), vae_scale_factor) > 0.5, held)
