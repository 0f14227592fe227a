"""From what an image encoder makes of a picture to tokens in the text encoder's space: the kinds of IP-Adapter.

Modules and names are those of the original files. They are built without memory for their weights, of the shapes that
a file has, and filled from it.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vedit.backbone.checkpoints import fill
from vedit.backbone.meta_device import MetaParameters
from vedit.errors import WeightsError

HEAD = 64
"""Channels of a head of the resampler, in every published one."""

KINDS = ("base", "plus", "plus-face", "full-face")
"""What is known here, by the names of the published files."""


class ImageProjection(nn.Module):
    """Tokens from what an image encoder makes of B pictures.

    Attributes:
        pooled: whether it takes the pooled embeddings (B, W), or the states of the layer before the last (B, P, W)
        width: W
        token_width: D of the tokens (B, T, D)
    """

    pooled: bool
    width: int
    token_width: int


class Pooled(ImageProjection):
    """The kind "base": one linear layer to all tokens at once.

    Source: Ye et al. 2023, section 3.2.1.
    """

    pooled = True

    def __init__(self, width: int, token_width: int, tokens: int) -> None:
        super().__init__()
        self.width, self.token_width = width, token_width
        self.proj = nn.Linear(width, tokens * token_width)
        self.norm = nn.LayerNorm(token_width)

    def forward(self, embeddings: Tensor) -> Tensor:
        """(B, W) to (B, T, D)."""
        return self.norm(self.proj(embeddings).unflatten(-1, (-1, self.token_width)))


class Full(ImageProjection):
    """The kind "full-face": a token for each patch and one for the whole, through a small network."""

    pooled = False

    def __init__(self, width: int, token_width: int) -> None:
        super().__init__()
        self.width, self.token_width = width, token_width
        self.proj = nn.Sequential(
            nn.Linear(width, width), nn.GELU(), nn.Linear(width, token_width), nn.LayerNorm(token_width)
        )

    def forward(self, states: Tensor) -> Tensor:
        """(B, P, W) to (B, P, D)."""
        return self.proj(states)


class ResamplerAttention(nn.Module):
    """Learnt queries look at a picture's states and at each other (Flamingo, Alayrac et al. 2022, section 3.1.1)."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.heads = inner // HEAD
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.to_q = nn.Linear(width, inner, bias=False)
        self.to_kv = nn.Linear(width, 2 * inner, bias=False)
        self.to_out = nn.Linear(inner, width, bias=False)

    def forward(self, states: Tensor, queries: Tensor) -> Tensor:
        """(B, P, W) and (B, T, W) to (B, T, W)."""
        states, queries = self.norm1(states), self.norm2(queries)
        key, value = self.to_kv(torch.cat([states, queries], dim=1)).chunk(2, dim=-1)
        query, key, value = (
            each.unflatten(-1, (self.heads, HEAD)).transpose(1, 2) for each in (self.to_q(queries), key, value)
        )
        return self.to_out(F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2))


class Resampler(ImageProjection):
    """The kinds "plus" and "plus-face": learnt queries gather tokens from the states of the patches.

    Source: Flamingo's resampler, Alayrac et al. 2022, section 3.1.1, as IP-Adapter-plus has it.
    """

    pooled = False

    def __init__(
        self, width: int, token_width: int, tokens: int, inner_width: int, inner: int, hidden: int, depth: int
    ) -> None:
        """
        Args:
            inner_width: of the queries
            inner: of all heads of attention together
            hidden: of the feed-forward layers
        """
        super().__init__()
        self.width, self.token_width = width, token_width
        self.latents = nn.Parameter(torch.empty(1, tokens, inner_width))
        self.proj_in = nn.Linear(width, inner_width)
        self.layers = nn.ModuleList(
            nn.ModuleList([ResamplerAttention(inner_width, inner), _feed_forward(inner_width, hidden)])
            for _ in range(depth)
        )
        self.proj_out = nn.Linear(inner_width, token_width)
        self.norm_out = nn.LayerNorm(token_width)

    def forward(self, states: Tensor) -> Tensor:
        """(B, P, W) to (B, T, D)."""
        states, queries = self.proj_in(states), self.latents.expand(len(states), -1, -1)
        for layer in self.layers:
            attention, feed_forward = layer.children()
            queries = queries + attention(states, queries)
            queries = queries + feed_forward(queries)
        return self.norm_out(self.proj_out(queries))


def _feed_forward(width: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(
        nn.LayerNorm(width), nn.Linear(width, hidden, bias=False), nn.GELU(), nn.Linear(hidden, width, bias=False)
    )


def projection_of(tensors: Mapping[str, Tensor], name: str) -> ImageProjection:
    """The projection whose weights these are, under the original names; its kind is told by them.

    Raises WeightsError, with the kinds that are known, for another, and for what is damaged; ``name`` is the file's.
    """
    if "perceiver_resampler.proj_in.weight" in tensors or {"norm.weight", "proj.0.weight"} <= tensors.keys():
        raise WeightsError(
            f"'{name}' is an IP-Adapter of a face's identity (FaceID), which takes a face recogniser's numbers and not "
            f"a picture; the kinds known here are {', '.join(KINDS)}."
        )
    try:
        with MetaParameters():
            made = _empty(tensors)
    except (LookupError, ValueError, ZeroDivisionError) as error:
        raise WeightsError(
            f"'{name}' has the image projection of no IP-Adapter; the kinds known here are {', '.join(KINDS)}."
        ) from error
    fill(made, {each: tensor.float() for each, tensor in tensors.items()}, f"image projection of '{name}'")
    return made.requires_grad_(False).eval()


def _empty(tensors: Mapping[str, Tensor]) -> ImageProjection:
    """A projection of the shapes that these have. Raises LookupError, ValueError or ZeroDivisionError where there is
    none."""
    if "proj.weight" in tensors:
        out, width = tensors["proj.weight"].shape
        (token_width,) = tensors["norm.weight"].shape
        return Pooled(width, token_width, out // token_width)
    if "proj.3.weight" in tensors:
        token_width, width = tensors["proj.2.weight"].shape
        return Full(width, token_width)
    _, tokens, inner_width = tensors["latents"].shape
    token_width, _ = tensors["proj_out.weight"].shape
    inner, _ = tensors["layers.0.0.to_q.weight"].shape
    hidden, _ = tensors["layers.0.1.1.weight"].shape
    if inner < HEAD or inner % HEAD:
        raise ValueError(f"{inner} channels are no heads of {HEAD}")
    depth = 1 + max(int(name.split(".")[1]) for name in tensors if name.startswith("layers."))
    if depth > len(tensors):
        raise ValueError("the layers are not numbered one after the other")
    return Resampler(tensors["proj_in.weight"].shape[1], token_width, tokens, inner_width, inner, hidden, depth)
