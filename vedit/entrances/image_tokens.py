"""Tokens of a picture, which cross-attention looks at beside the text and apart from it: IP-Adapter's way in."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vedit.attention.context import KeysAndValues, TokensApart, own_keys_and_values
from vedit.entrances import Entrance
from vedit.request import Request


@dataclass(frozen=True, eq=False)
class ImageTokens(Entrance):
    """A picture's tokens in the branches that guidance leads to: decoupled cross-attention.

    Each condition has a softmax of its own, so several pictures do not compete: what they add is summed.

    Source: IP-Adapter, Ye et al. 2023, eq. 5.

    Attributes:
        tokens: (F, T', D); those of one picture are the same in each frame
        negative: (F, T', D) in the branch guided away from, such as those of no picture; None leaves that branch alone
        keys_and_values: what the cross-attention layers make of tokens; by default they use the projections that they
            have for text, while an IP-Adapter brings its own
        mask: (F, 1, h, w) on latents, where in each frame they act, 0 to 1; None for everywhere
        led_away_from: the ``tokens`` are what guidance leads away from: they are in that branch alone
    """

    tokens: Tensor
    negative: Tensor | None = None
    keys_and_values: KeysAndValues = own_keys_and_values
    mask: Tensor | None = None
    led_away_from: bool = False

    def enter(self, request: Request, strength: Tensor) -> Request:
        branches = len(request.prompt)
        tokens = self.tokens.expand(branches, -1, -1, -1)  # (N, F, T', D)
        scale = strength.repeat(branches, 1)  # (N, F)
        if self.led_away_from:
            scale[0 if branches == 1 else 1 :] = 0  # a single branch is the prompt's
        elif branches > 1:
            if self.negative is None:
                scale[0] = 0
            else:
                tokens = torch.cat([self.negative[None], tokens[1:]])
        apart = TokensApart(tokens, scale, self.keys_and_values, self.mask)
        return replace(request, tokens_apart=(*request.tokens_apart, apart))
