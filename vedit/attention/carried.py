"""Attention's results carried from key frames to those between them: TokenFlow (Geyer et al. 2023, section 4.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from vedit.attention.anchors import Anchors
from vedit.errors import ConfigError


@dataclass(frozen=True, eq=False)
class TokenPaths:
    """Which tokens of its two key frames each token of a frame is made of.

    Attributes:
        where: by the number T of a level's tokens, (2, F, T) int64: which token of the key frame before, and of that
            after
        share: (2, F, T) likewise, how much each of the two counts; they add up to 1
    """

    where: Mapping[int, Tensor]
    share: Mapping[int, Tensor]


class CarriedTokens(Anchors):
    """What the self-attention layers say of a shot's key frames, and what it makes of that for the frames between.

    The window that runs first is that of all key frames. Each later one lies between two of them, and its layers do
    without attention: a token is what its key frames' tokens are. So a frame depends on no other but its key frames.
    """

    def __init__(self, keys: Sequence[int], paths: TokenPaths) -> None:
        """``keys``: the indices of the shot's key frames."""
        super().__init__(keys[0])
        self._keys, self._paths = list(keys), paths

    def keep_made(self, layer: object, made: Tensor) -> None:
        """Keep what a ``layer`` has made of the key frames, (N, K, T, C)."""
        self.keep((layer, "made"), made)

    def carried(self, layer: object, indices: Sequence[int], tokens: int) -> Tensor:
        """What it makes of frames with these ``indices``, which lie between two key frames: (N, F, T, C).

        Raises ConfigError for a level of so many ``tokens`` whose paths are not known.
        """
        (made,) = self.of((layer, "made"))
        if tokens not in self._paths.where:
            raise ConfigError(
                f"no paths of {tokens} tokens are known; expected {', '.join(map(str, self._paths.where))}."
            )
        before = max(number for number, key in enumerate(self._keys) if key < indices[0])
        frames, found = list(indices), []
        for side in (0, 1):
            where, share = (
                each[tokens][side, frames].to(made.device) for each in (self._paths.where, self._paths.share)
            )
            there = made[:, before + side][:, where]  # (N, F, T, C)
            found.append(there * share[None, ..., None].to(made))
        return found[0] + found[1]
