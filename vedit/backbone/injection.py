"""Plug-and-play injection: an edit takes over the source's features (Tumanyan et al. 2023, section 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from vedit.attention.context import StepContext

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel


def attach_injection(unet: UNet2DConditionModel, context: StepContext) -> RemovableHandle:
    """Let the first resnet of the second up block take the first branch's output while ``context.inject`` holds.

    Its features carry the layout of a picture and, lent for long, its colours too. Queries and keys are lent by the
    processors.
    """

    def hook(_: nn.Module, __: Any, output: Tensor) -> Tensor:
        return context.inject_source(output)

    block = unet.up_blocks[min(1, len(unet.up_blocks) - 1)]
    return block.resnets[0].register_forward_hook(hook)
