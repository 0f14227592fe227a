"""diffusers attention processors that choose the kernel and gather keys across frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from vedit.attention.carried import CarriedTokens
from vedit.attention.context import Looked, StepContext
from vedit.attention.kernels import attend

if TYPE_CHECKING:
    from diffusers.models.attention_processor import Attention


class FrameProcessor:
    """Spatial self-attention (``attn1``) whose keys the kind in force gathers, or cross-attention (``attn2``).

    Works on flattened (N F) batches, in that order; the context says how many frames there are.
    """

    def __init__(self, context: StepContext, *, across_frames: bool) -> None:
        self.context = context
        self.across_frames = across_frames

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        **_: Any,
    ) -> Tensor:
        if attention_mask is not None:
            raise NotImplementedError("vedit's attention takes no mask")
        carried = self.context.anchors if self.across_frames else None
        if isinstance(carried, CarriedTokens) and not carried.filling:
            assert self.context.indices is not None, "what is carried goes to some frames of a clip"
            return carried.carried(self, self.context.indices, hidden_states.shape[1]).flatten(0, 1)
        source = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query, key, value = attn.to_q(hidden_states), attn.to_k(source), attn.to_v(source)
        if self.across_frames:
            query, key = self.context.inject_source(query), self.context.inject_source(key)
            key, value = self._gather(key, value)
        elif self.context.emphasis is not None:
            # A share of attention, times its token's weight, is that share of the value times the weight.
            value = value * self.context.emphasis[..., None]
        output = self._attend(attn, query, key, value, "frames" if self.across_frames else "text")
        if self.across_frames:
            output = self.context.kind.after(self._unflattened(output), attn.heads).flatten(0, 1)
        else:
            for each in self.context.tokens_apart:
                made = each.keys_and_values(attn, each.tokens.flatten(0, 1))
                if made is not None:
                    output = output + each.share(query.shape[1]) * self._attend(attn, query, *made, "apart")
        output = attn.to_out[1](attn.to_out[0](output)) / attn.rescale_output_factor
        if isinstance(carried, CarriedTokens):
            carried.keep_made(self, self._unflattened(output))
        return output

    def _attend(self, attn: Attention, query: Tensor, key: Tensor, value: Tensor, looked: Looked) -> Tensor:
        """(B, T, C) of ``query`` with ``key`` and ``value`` (B, S, C)."""
        dtype = value.dtype
        if attn.upcast_attention:
            query, key = query.float(), key.float()
        query, key, value = (tensor.unflatten(-1, (attn.heads, -1)).transpose(1, 2) for tensor in (query, key, value))
        if self.context.record is not None:
            self.context.record.add(query, key, looked)
        output = attend(*_one_dtype(query, key, value), self.context.kernel)
        return output.transpose(1, 2).flatten(2).to(dtype)

    def _gather(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values (N F, T, C) to those that each frame attends to, (N F, S, C)."""
        kind, own = self.context.kind, (self._unflattened(key), self._unflattened(value))
        if kind.anchored:
            firsts = self.context.of_first_frame(self, *own)
            key, value = (kind.gather(*pair) for pair in zip(own, firsts, strict=True))
        else:
            key, value = (kind.gather(each) for each in own)
        return key.flatten(0, 1), value.flatten(0, 1)

    def _unflattened(self, tokens: Tensor) -> Tensor:
        """(N F, T, C) to (N, F, T, C)."""
        return tokens.unflatten(0, (-1, self.context.frames))


def _one_dtype(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Kernels want one dtype: upcast queries and keys bring the values along."""
    dtype = torch.promote_types(query.dtype, value.dtype)
    return query.to(dtype), key.to(dtype), value.to(dtype)
