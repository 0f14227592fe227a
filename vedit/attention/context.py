"""What the layers inside the UNet know of the step that runs: frames, attention kind, injection, tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from vedit.attention.anchors import Anchors
from vedit.attention.kernels import Kernel, weights
from vedit.attention.kinds import AttentionKind
from vedit.attention.levels import level_size
from vedit.windows import as_index

if TYPE_CHECKING:
    from diffusers.models.attention_processor import Attention

KeysAndValues = Callable[["Attention", Tensor], tuple[Tensor, Tensor] | None]
"""From a cross-attention layer and tokens (B, T', D) to their keys and values there, both (B, T', C); None for a layer
that does not look at them."""

Looked = Literal["text", "apart", "frames"]
"""What a layer looks at: the prompt's tokens, tokens apart from them, or the positions of frames."""


def own_keys_and_values(layer: Attention, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """By the projections that the layer has for text."""
    return layer.to_k(tokens), layer.to_v(tokens)


@dataclass(frozen=True, eq=False)
class TokensApart:
    """Tokens that cross-attention looks at beside the text, apart from it: what it finds there is added, scaled.

    Source: decoupled cross-attention, IP-Adapter, Ye et al. 2023, eq. 5.

    Attributes:
        tokens: (N, F, T', D)
        scale: (N, F) in each branch and frame; 0 is as if they were not there
        keys_and_values: what a layer makes of them
        mask: (F, 1, h, w) on latents, where in each frame they act, 0 to 1; None for everywhere
    """

    tokens: Tensor
    scale: Tensor
    keys_and_values: KeysAndValues = own_keys_and_values
    mask: Tensor | None = None

    def share(self, positions: int) -> Tensor:
        """How much is added of what a layer of so many ``positions`` finds: (N F, positions, 1), or (N F, 1, 1) where
        that is the same in all."""
        scale = self.scale.flatten()[:, None, None]
        if self.mask is None:
            return scale
        size = level_size((self.mask.shape[2], self.mask.shape[3]), positions)
        where = F.interpolate(self.mask, size=size, mode="area").flatten(1)[..., None]  # (F, positions, 1)
        return scale * where.repeat(len(self.scale), 1, 1)

    def branch(self, index: int) -> TokensApart:
        """Those of one branch."""
        return replace(self, tokens=self.tokens[index, None], scale=self.scale[index, None])

    def frames(self, cut: slice | list[int] | Tensor) -> TokensApart:
        """Those of some frames."""
        mask = None if self.mask is None else self.mask[cut]
        return replace(self, tokens=self.tokens[:, cut], scale=self.scale[:, cut], mask=mask)

    def repeat_first(self, further: int) -> TokensApart:
        """With so many further branches after the others, which have what the first has."""
        tokens = torch.cat([self.tokens, self.tokens[:1].expand(further, -1, -1, -1)])
        return replace(self, tokens=tokens, scale=torch.cat([self.scale, self.scale[:1].expand(further, -1)]))

    def between(self, before: int, after: int) -> TokensApart:
        """With so many branches before and after these that do not see them."""
        tokens = F.pad(self.tokens, (0, 0, 0, 0, 0, 0, before, after))
        return replace(self, tokens=tokens, scale=F.pad(self.scale, (0, 0, before, after)))

    def to(self, device: torch.device, dtype: torch.dtype) -> TokensApart:
        mask = None if self.mask is None else self.mask.to(device, dtype)
        return replace(self, tokens=self.tokens.to(device, dtype), scale=self.scale.to(device, dtype), mask=mask)


@dataclass
class AttentionRecord:
    """Keeps the attention weights, means over heads, of the layers of so many ``positions`` (h w), while it is on.

    cross_attention: of each such layer, (N F, positions, T), how much each position attends to each token of the prompt
    tokens_apart: (N F, positions, T'), how much it attends to each of the tokens apart from the prompt's
    self_attention: (N F, positions, S), how much it attends to the positions that the attention kind shows it
    """

    positions: int
    cross_attention: list[Tensor] = field(default_factory=list)
    tokens_apart: list[Tensor] = field(default_factory=list)
    self_attention: list[Tensor] = field(default_factory=list)

    def add(self, query: Tensor, key: Tensor, looked: Looked) -> None:
        """Add the weights of one layer, of ``query`` (B, heads, T, d) and ``key`` (B, heads, S, d), where it has those
        positions."""
        if query.shape[2] == self.positions:
            self._of[looked].append(weights(query, key).mean(1))

    def counts(self) -> dict[Looked, int]:
        """How many layers' weights are held of each."""
        return {looked: len(held) for looked, held in self._of.items()}

    def keep(self, counts: Mapping[Looked, int]) -> None:
        """Drop the weights that were added after so many of each."""
        for looked, held in self._of.items():
            del held[counts[looked] :]

    @property
    def _of(self) -> dict[Looked, list[Tensor]]:
        return {"text": self.cross_attention, "apart": self.tokens_apart, "frames": self.self_attention}


@dataclass
class StepContext:
    """One per backbone, shared by its processors and hooks. ``Backbone.predict`` sets ``frames`` and clears it."""

    kind: AttentionKind
    kernel: Kernel
    frames: int = 1
    indices: Sequence[int] | None = None
    """Which frames of the clip these are, where they are not all: a window of a long one, or some that are apart."""
    anchors: Anchors | None = None
    """What the first window leaves for the others; None where there is one alone."""
    inject: bool = False
    """Whether the first branch is the source, whose queries, keys and features the others take over."""
    emphasis: Tensor | None = None
    """(N F, T) how much each token of the prompt counts in the UNet's cross-attention; None where all count alike."""
    tokens_apart: tuple[TokensApart, ...] = ()
    """What the UNet's cross-attention looks at beside the text."""
    motion: Tensor | None = None
    """(F,) how much the temporal layers count in each frame; None where they do as they were trained."""
    guidance: Tensor | None = None
    """(F,) the guidance scale of each frame, for a UNet that takes it as an input; None where there is none."""
    record: AttentionRecord | None = None
    """Keeps the attention weights of some layers, while somebody asks for them."""
    order: Tensor | None = None
    """Which frames of the clip those are that the network is shown one after the other (F',), where they are in another
    order; ``indices`` then count in it."""

    @property
    def which(self) -> Sequence[int] | None:
        """The frames of the clip that are seen, by their indices; None for all in their order."""
        if self.order is None:
            return self.indices
        seen: list[int] = self.order.tolist()
        return seen if self.indices is None else [seen[index] for index in self.indices]

    def blend_motion(self, before: Tensor, after: Tensor) -> Tensor:
        """Blend what a temporal layer makes of (N F, ...) with what it was given, by the weight of each frame; the
        source branch is not changed."""
        if self.motion is None:
            return after
        motion = self.motion if self.indices is None else self.motion[as_index(self.indices)]
        shares = motion[: self.frames].to(after).repeat(len(after) // self.frames)
        if self.inject:
            shares[: self.frames] = 1
        return torch.lerp(before, after, shares.view(-1, *[1] * (after.ndim - 1)))

    def of_first_frame(self, layer: object, *tokens: Tensor) -> tuple[Tensor | None, ...]:
        """Of a ``layer``'s tokens (N, F, T, C), those (N, 1, T, C) of the clip's first frame; None each where it is
        among these frames."""
        if self.anchors is None:
            return (None,) * len(tokens)
        if self.anchors.filling:
            self.anchors.keep(layer, *(each[:, :1] for each in tokens))
            return (None,) * len(tokens)
        return self.anchors.of(layer)

    def inject_source(self, tensor: Tensor) -> Tensor:
        """While injecting, the first branch's part of (N F, ...) for every branch; else the tensor as it is."""
        if not self.inject:
            return tensor
        branches = len(tensor) // self.frames
        return tensor[: self.frames].repeat(branches, *[1] * (tensor.ndim - 1))
