"""Noise of a long clip that is made of the noise of its first frames, in other orders."""

from __future__ import annotations

import torch

from vedit.backbone.model import Backbone
from vedit.mapped import in_chunks, room_for
from vedit.priors import Prior, PriorInputs, Start
from vedit.sampling.denoising import keyed, noise
from vedit.windows import WINDOW

SHUFFLED = 4
"""A group that is shuffled is this part of the frames that are seen at once: 4 of 16 frames."""


class Reshuffled(Prior):
    """Fresh Gaussian noise in as many frames as are seen at once; further on the same noise, in groups whose frames
    change places.

    Each window of the motion modules then sees independent noise, as they were trained to, while windows that are far
    apart see the same noise in other orders, so that a long clip goes on as it began. A clip that is seen whole has the
    noise of the prior gaussian. Keyed by the seed and the frame: a longer clip has the same noise in its first frames.

    Source: FreeNoise, Qiu et al. 2024, section 3.2 (local noise shuffling).
    """

    def start(self, backbone: Backbone, given: PriorInputs) -> Start:
        frames, channels, height, width = given.latents.shape
        seen = min(backbone.seen_at_once(frames) or WINDOW, frames)
        fresh = noise(given.seed, seen, (channels, height, width))
        drawn, which = room_for(given.latents.shape), torch.tensor(order(frames, seen, given.seed))
        for cut in in_chunks(frames, drawn):
            drawn[cut] = fresh[which[cut]]
        return Start(drawn.to(backbone.device))


def order(frames: int, seen: int, seed: int) -> list[int]:
    """Which of the noises of the first frames each of so many ``frames`` has, where ``seen`` of them are seen at
    once."""
    found, group = list(range(seen)), max(1, seen // SHUFFLED)
    while len(found) < frames:
        begin = len(found)
        again = found[begin - seen : begin - seen + group]
        # No frame has a negative number, so that this draws nothing that the noise itself is drawn from.
        places = torch.randperm(len(again), generator=keyed(seed, -begin)).tolist()
        found += [again[place] for place in places]
    return found[:frames]
