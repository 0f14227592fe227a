"""Layers that join the frames of a clip inside a per-frame UNet, attached through hooks and detachable again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from vedit.attention.context import StepContext
from vedit.attention.kernels import attend
from vedit.errors import WeightsError
from vedit.windows import WINDOW

if TYPE_CHECKING:
    from diffusers import MotionAdapter, UNet2DConditionModel
    from diffusers.models.attention import BasicTransformerBlock

OWN_FRAME = 1.5
"""How strongly queries and keys of numbered frames begin as the identity."""


class TemporalAttention(nn.Module):
    """Self-attention over frames at every position: Tune-A-Video's ``attn_temp``.

    The original has no positions, so frames can be told apart only by what they show. With ``positions`` a sinusoid
    of the frame's number is added first (Vaswani et al. 2017, section 3.5), as in AnimateDiff, and a clip's motion can
    be learnt even where sampling starts from fresh noise. It has no weights, so the checkpoint's names stay the same.
    Queries and keys then start near the identity: each frame begins by looking at itself, and its number reaches the
    output at once instead of as the mean over all frames.

    Its output weight and bias start at zero, so that attaching changes nothing. (The original zeroes the weight
    alone, and its bias shifts the model from the start.)
    """

    def __init__(self, width: int, heads: int, *, positions: bool = False) -> None:
        super().__init__()
        self.heads = heads
        self.positions = positions
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k = nn.Linear(width, width, bias=False)
        self.to_v = nn.Linear(width, width, bias=False)
        if positions:
            for layer in (self.to_q, self.to_k):
                layer.weight.data.mul_(0.1).add_(OWN_FRAME * torch.eye(width))
        output = nn.Linear(width, width)
        nn.init.zeros_(output.weight)
        nn.init.zeros_(output.bias)
        self.to_out = nn.ModuleList([output, nn.Dropout(0.0)])  # a list, for the checkpoints' names

    def forward(self, tokens: Tensor, context: StepContext) -> Tensor:
        """(N F, T, C) to (N F, T, C)."""
        by_position = tokens.unflatten(0, (-1, context.frames)).transpose(1, 2)  # (N, T, F, C)
        folded = by_position.flatten(0, 1)
        if self.positions:
            numbers = range(context.frames) if context.indices is None else context.indices
            numbered = sinusoids(numbers, folded.shape[-1])
            folded = folded + numbered.to(folded)
        query, key, value = (
            layer(folded).unflatten(-1, (self.heads, -1)).transpose(1, 2) for layer in (self.to_q, self.to_k, self.to_v)
        )
        output = attend(query, key, value, context.kernel).transpose(1, 2).flatten(2)
        output = self.to_out[1](self.to_out[0](output))
        return output.unflatten(0, by_position.shape[:2]).transpose(1, 2).flatten(0, 1)


def sinusoids(positions: Sequence[int], width: int) -> Tensor:
    """Encodings (P, width) of P positions; ``width`` is even."""
    index = torch.tensor(positions, dtype=torch.float32)[:, None]
    frequency = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000) / width))
    return torch.stack([torch.sin(index * frequency), torch.cos(index * frequency)], dim=-1).flatten(1)


def transformer_blocks(unet: nn.Module) -> Iterator[BasicTransformerBlock]:
    """The spatial transformer blocks of a UNet or ControlNet; those inside motion modules are not among them."""
    from diffusers.models.attention import BasicTransformerBlock

    for name, module in unet.named_modules():
        if isinstance(module, BasicTransformerBlock) and "motion_modules" not in name:
            yield module


def temporal_layers(unet: nn.Module) -> list[TemporalAttention]:
    """The temporal attention layers that are attached to a UNet."""
    return [module for module in unet.modules() if isinstance(module, TemporalAttention)]


def attach_temporal(
    unet: UNet2DConditionModel, context: StepContext, *, positions: bool = False, seed: int = 0
) -> list[RemovableHandle]:
    """Give every transformer block ``norm_temp`` and ``attn_temp``, run last; returns the hooks' handles."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # where tuning starts must not depend on what ran before
        return _attach_temporal(unet, context, positions)


def _attach_temporal(unet: UNet2DConditionModel, context: StepContext, positions: bool) -> list[RemovableHandle]:
    handles = []
    for block in transformer_blocks(unet):
        width = block.norm1.normalized_shape[0]
        reference = block.attn1.to_q.weight
        norm = nn.LayerNorm(width)
        attention = TemporalAttention(width, block.attn1.heads, positions=positions)
        for name, layer in (("norm_temp", norm), ("attn_temp", attention)):
            frozen = layer.to(reference.device, reference.dtype).requires_grad_(False)
            block.add_module(name, frozen.train(block.training))

        handles.append(block.register_forward_hook(_after_block(norm, attention, context)))
    return handles


def _after_block(norm: nn.Module, attention: TemporalAttention, context: StepContext) -> Callable[..., Tensor]:
    def hook(_: nn.Module, __: Any, output: Tensor) -> Tensor:
        return context.blend_motion(output, output + attention(norm(output), context))

    return hook


def detach_temporal(unet: UNet2DConditionModel) -> None:
    """Remove the modules that ``attach_temporal`` added (its hooks are removed through their handles)."""
    for block in transformer_blocks(unet):
        del block.norm_temp, block.attn_temp


def attach_motion(unet: UNet2DConditionModel, adapter: MotionAdapter, context: StepContext) -> list[RemovableHandle]:
    """Run an AnimateDiff adapter's motion modules after each layer of the UNet (Guo et al. 2023).

    A single frame passes them by: it is what it is without them. Of clips longer than the modules have positions for,
    they see overlapping windows (``in_windows``).

    Raises WeightsError when the adapter's blocks do not match the UNet's.
    """
    handles = []
    longest = int(adapter.config.motion_max_seq_length)

    def run_after(layer: nn.Module, motion: nn.Module) -> None:
        def hook(_: nn.Module, __: Any, output: Any) -> Any:
            if context.frames == 1:
                return output
            still, *others = (output,) if isinstance(output, Tensor) else output
            moved = context.blend_motion(still, in_windows(motion, still, context.frames, longest))
            return moved if isinstance(output, Tensor) else (moved, *others)

        handles.append(layer.register_forward_hook(hook))

    blocks = [*zip(unet.down_blocks, adapter.down_blocks, strict=False)]
    blocks += [*zip(unet.up_blocks, adapter.up_blocks, strict=False)]
    if len(unet.down_blocks) != len(adapter.down_blocks):
        raise WeightsError(
            f"the motion adapter has {len(adapter.down_blocks)} levels and the UNet {len(unet.down_blocks)}; "
            "use an adapter made for this kind of Stable Diffusion."
        )
    if adapter.mid_block is not None:
        blocks.append((unet.mid_block, adapter.mid_block))
    reference = next(unet.parameters())
    for block, motions in blocks:
        block.add_module("motion_modules", motions.motion_modules.to(reference.device, reference.dtype))
        # The mid block has one more resnet than attentions; its motion module follows the attention.
        layers = block.attentions if hasattr(block, "attentions") else block.resnets
        if len(layers) != len(block.motion_modules):
            raise WeightsError(
                f"the motion adapter has {len(block.motion_modules)} modules where the UNet has {len(layers)} layers; "
                "use an adapter made for this kind of Stable Diffusion."
            )
        for layer, motion in zip(layers, block.motion_modules, strict=True):
            run_after(layer, motion)
    return handles


def seen_at_once(frames: int, longest: int) -> int:
    """How many of so many ``frames`` motion modules with positions for the ``longest`` clip see at once."""
    return frames if frames <= longest else min(WINDOW, longest)


def window_starts(frames: int, size: int) -> list[int]:
    """The first frames of the windows of a ``size`` in which motion modules see so many ``frames``."""
    return sorted({*range(0, frames - size, max(1, size // 2)), frames - size})


def in_windows(motion: nn.Module, still: Tensor, frames: int, longest: int) -> Tensor:
    """What a motion module makes of the features (N F, C, h, w) of clips of ``frames`` frames.

    Up to ``longest`` frames are seen at once. Longer clips are seen in windows of ``WINDOW`` frames that overlap by
    half; what they say of a frame is averaged, weighted towards their middles, so that one window fades into the next.

    Source: FreeNoise (Qiu et al. 2024), section 3.3, window-based attention fusion.
    """
    size = seen_at_once(frames, longest)
    if size == frames:
        return motion(still, num_frames=frames)
    starts = window_starts(frames, size)
    weight = (1 + torch.minimum(torch.arange(size), torch.arange(size).flip(0))).to(still)
    weight = weight.view(-1, *[1] * (still.ndim - 1))  # (size, 1, 1, 1)
    made = []
    for clip in still.split(frames):  # (F, C, h, w)
        total, weights = torch.zeros_like(clip), torch.zeros_like(clip[:, :1, :1, :1])
        for start in starts:
            window = slice(start, start + size)
            total[window] += weight * motion(clip[window], num_frames=size)
            weights[window] += weight
        made.append(total / weights)
    return torch.cat(made)


def detach_motion(unet: UNet2DConditionModel) -> None:
    """Remove the motion modules that ``attach_motion`` added."""
    for module in list(unet.modules()):
        if hasattr(module, "motion_modules"):
            del module.motion_modules


def span_frames(unet: UNet2DConditionModel, context: StepContext) -> list[RemovableHandle]:
    """Let the group norms of the resnets and of the output take their statistics over all frames of a clip.

    Tune-A-Video normalises 5-D tensors there, so its checkpoints need this; the parameters are the same. The
    transformers' own norms stay per frame. Of a clip that is seen in windows, those of the first window hold for all,
    so that no window is brighter or greyer than its neighbour.
    """
    from diffusers.models.resnet import ResnetBlock2D

    resnets = [module for module in unet.modules() if isinstance(module, ResnetBlock2D)]
    norms = [norm for resnet in resnets for norm in (resnet.norm1, resnet.norm2)]
    handles = []

    def before(_: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        (x,) = inputs
        return (x.unflatten(0, (-1, context.frames)).transpose(1, 2),)

    def after(norm: nn.GroupNorm, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        if context.anchors is not None:
            grouped = inputs[0].unflatten(1, (norm.num_groups, -1)).float()  # (N, G, C / G, F, H, W)
            if context.anchors.filling:
                context.anchors.keep(norm, *_statistics(grouped))
            else:
                mean, variance = context.anchors.of(norm)
                scaled = ((grouped - mean) * (variance + norm.eps).rsqrt()).flatten(1, 2)
                weight, bias = (each[:, None, None, None] for each in (norm.weight, norm.bias))
                output = (scaled * weight + bias).to(output.dtype)
        return output.transpose(1, 2).flatten(0, 1)

    for norm in [*norms, unet.conv_norm_out]:
        handles += [norm.register_forward_pre_hook(before), norm.register_forward_hook(after)]
    return handles


def _statistics(grouped: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance (N, G, 1, 1, 1, 1) of each group of channels (N, G, C, F, H, W)."""
    over = tuple(range(2, grouped.ndim))
    return grouped.mean(over, keepdim=True), grouped.var(over, correction=0, keepdim=True)


def remove(handles: list[RemovableHandle]) -> None:
    """Take hooks off again; the list is empty then."""
    for handle in handles:
        handle.remove()
    handles.clear()
