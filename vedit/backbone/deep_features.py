"""Deep features kept over steps: a UNet that runs its outermost layers alone, on what the deep ones said before.

From step to step deep features change little, and the outermost layers, which see the noisy latents themselves, carry
what does.

Source: DeepCache, Ma et al. 2024, section 3.2. Here two layers of the last up block are run in each step, and those of
the first down block that they are joined to.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from vedit.entrances.residuals import Residuals
from vedit.mapped import room_for

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel


class Inputs(NamedTuple):
    """Of a UNet: latents (B, C, h, w), timesteps () or (B,), text (B, T, D), and the embedding (B, D') of the guidance
    where it takes one."""

    latents: Tensor
    timestep: Tensor
    text: Tensor
    guidance: Tensor | None = None


LAYERS = 2
"""Layers of the last up block that run in each step; of a block with fewer, all."""


class Turns:
    """Which steps run the whole network: each n-th, and each that differs in kind from the one before."""

    def __init__(self, every: int) -> None:
        self._every = every
        self._kind: Hashable = None
        self._since = 0

    def whole(self, kind: Hashable) -> bool:
        """Whether the next step, which is of this kind (its branches, what has entered it), runs all of it."""
        anew = self.begins or kind != self._kind
        self._kind, self._since = kind, 0 if anew else self._since + 1
        return anew

    @property
    def begins(self) -> bool:
        """Whether the next step does, of whatever kind it is."""
        return self._kind is None or self._since + 1 >= self._every


class DeepFeatures:
    """What the deep blocks have said of each frame of a clip in the last step that ran them.

    Attributes:
        filling: whether the network runs whole, and what it says is kept; else what is kept is taken
    """

    def __init__(self, frames: int, first: int = 0) -> None:
        """``frames``: how many there are, F, side by side; ``first``: the index of the first of them."""
        self._frames, self._first = frames, first
        self._kept: list[Tensor] = []
        self.filling = True

    def run(
        self,
        unet: UNet2DConditionModel,
        inputs: Inputs,
        added: Residuals | None,
        shape: tuple[int, int],
        which: Sequence[int] | None,
    ) -> Tensor:
        """The UNet's output (N F', 4, h, w): of all of it, which is then remembered, or of its outermost layers.

        Args:
            inputs: of the UNet, B being N F'
            added: to its features, where all of it runs
            shape: (N, F')
            which: the frames by their indices; None for all of the clip
        """
        if not self.filling:
            return run_outermost(unet, inputs, [each.flatten(0, 1) for each in self._of(which)])
        output, found = run_and_look(unet, inputs, added)
        self._keep([each.unflatten(0, shape) for each in found], which)
        return output

    def _keep(self, tensors: Sequence[Tensor], which: Sequence[int] | None) -> None:
        """Keep these (N, F', C, h, w) of some frames, or of all."""
        if which is None:
            self._kept = list(tensors)
            return
        if not self._kept:
            self._kept = [
                room_for((len(each), self._frames, *each.shape[2:]), each.dtype, each.device) for each in tensors
            ]
        for kept, each in zip(self._kept, tensors, strict=True):
            kept[:, self._rows(which)] = each

    def _of(self, which: Sequence[int] | None) -> list[Tensor]:
        return self._kept if which is None else [each[:, self._rows(which)] for each in self._kept]

    def _rows(self, which: Sequence[int]) -> list[int]:
        return [index - self._first for index in which]


def run_whole(unet: UNet2DConditionModel, inputs: Inputs, added: Residuals | None) -> Tensor:
    """The UNet's output (B, 4, h, w). What is ``added`` is so to its features; None for nothing."""
    output: Tensor = unet(
        inputs.latents,
        inputs.timestep,
        inputs.text,
        timestep_cond=inputs.guidance,
        down_block_additional_residuals=None if added is None else added.down,
        mid_block_additional_residual=None if added is None else added.mid,
    ).sample
    return output


def run_and_look(
    unet: UNet2DConditionModel, inputs: Inputs, added: Residuals | None
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """As ``run_whole``, and what ``run_outermost`` takes of this run: the deep features (B, C, h, w), and what was
    added to the skip connections that it uses."""
    layers = unet.up_blocks[-1].resnets
    found: list[Tensor] = []
    first, skipped = _first_layer(unet), unet.config.block_out_channels[0]

    def look(_: Any, given: tuple[Tensor, ...]) -> None:
        # What comes from below stands before the skip connection that it is joined to.
        found[:] = [given[0][:, :-skipped].clone()]

    handle = layers[first].register_forward_pre_hook(look)
    try:
        output = run_whole(unet, inputs, added)
    finally:
        handle.remove()
    return output, (*found, *(() if added is None else added.down[: len(layers) - first]))


def run_outermost(unet: UNet2DConditionModel, inputs: Inputs, kept: Sequence[Tensor]) -> Tensor:
    """The UNet's output (B, 4, h, w), with what ``run_and_look`` kept of another run."""
    latents, timestep, text, guidance = inputs
    block, first = unet.up_blocks[-1], _first_layer(unet)
    layers = block.resnets
    x, *residuals = kept
    if unet.config.center_input_sample:
        latents = 2 * latents - 1
    time = unet.time_embedding(unet.get_time_embed(sample=latents, timestep=timestep), guidance)
    if unet.time_embed_act is not None:
        time = unet.time_embed_act(time)
    skip = unet.conv_in(latents)
    skips = [skip]
    for number in range(len(layers) - 1 - first):
        skip = _layer(unet.down_blocks[0], number, skip, time, text)
        skips.append(skip)
    if residuals:
        skips = [each + residual for each, residual in zip(skips, residuals, strict=True)]
    for number in range(first, len(layers)):
        x = _layer(block, number, torch.cat([x, skips.pop()], dim=1), time, text)
    if unet.conv_norm_out:
        x = unet.conv_act(unet.conv_norm_out(x))
    output: Tensor = unet.conv_out(x)
    return output


def _layer(block: Any, number: int, x: Tensor, time: Tensor, text: Tensor) -> Tensor:
    """A resnet of a block, and its attention where it has one, in the order of diffusers' blocks."""
    x = block.resnets[number](x, time)
    if getattr(block, "has_cross_attention", False):
        (x,) = block.attentions[number](x, encoder_hidden_states=text, return_dict=False)
    return x


def _first_layer(unet: UNet2DConditionModel) -> int:
    """The first layer of the last up block that runs in each step."""
    return max(0, len(unet.up_blocks[-1].resnets) - LAYERS)
