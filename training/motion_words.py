"""That the layers of an image model pass on what the words say of motion.

Motion modules have no words of their own: what they know of a prompt is what the frozen layers of the image model put
into the features. Those learn from pictures, which do not show where a thing goes, so they drop "moving left" as if it
had not been said. Here linear maps, thrown away afterwards, read the words for each thing's motion off the features
where that thing is; what makes them right is that the text encoder and cross-attention bring these words there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

import world
from world import Object, Scene

OF_A_THING = (
    "moving", "bouncing", "circling", "still", "slowly", "fast",
    *world.DIRECTIONS, *(f"then {direction}" for direction in world.DIRECTIONS),
)  # fmt: skip
OF_THE_CAMERA = tuple(f"pans {direction}" for direction in world.DIRECTIONS)
MOTIONS = (*OF_A_THING, *OF_THE_CAMERA)
"""What a prompt can say of the motion at one place."""

THINGS = 2
"""Most things of a scene."""


def told_motions(scene: Scene, text: str) -> Tensor:
    """Which of ``MOTIONS`` a prompt says of each thing of a scene: (THINGS, 18), bool."""
    said = torch.zeros(THINGS, len(MOTIONS), dtype=torch.bool)
    for row, thing in zip(said, scene.objects, strict=False):
        if f"{thing.shape} {world.paths.words(thing)}" in text:
            for place, motion in enumerate(OF_A_THING):
                row[place] = motion in motions_of(thing)
    if scene.pan is not None and f"pans {scene.pan}" in text:
        said[:, MOTIONS.index(f"pans {scene.pan}")] = True
    return said


def motions_of(thing: Object) -> set[str]:
    """Those of ``OF_A_THING`` that hold of a thing."""
    before, _, then = world.paths.words(thing).partition(" then ")
    return {*before.split(), f"then {then}"} if then else {*before.split()}


class MotionReading(nn.Module):
    """Linear maps from a UNet's features to ``MOTIONS``, at the layers where a picture is decided on."""

    def __init__(self, unet: UNet2DConditionModel) -> None:
        super().__init__()
        down, up = unet.config.block_out_channels, unet.config.block_out_channels[::-1]
        self.heads = nn.ModuleList(nn.Linear(width, len(MOTIONS)) for width in (*down[1:], down[-1], *up[:-1]))

    @contextmanager
    def features(self, unet: UNet2DConditionModel) -> Iterator[list[Tensor]]:
        """What these layers put out within, (B, C, h', w') each."""
        blocks = [*unet.down_blocks[1:], unet.mid_block, *unet.up_blocks[:-1]]
        found: list[Tensor] = []

        def keep(_module: nn.Module, _given: Any, put_out: Any) -> None:
            found.append(put_out[0] if isinstance(put_out, tuple) else put_out)

        hooks = [block.register_forward_hook(keep) for block in blocks]
        try:
            yield found
        finally:
            for hook in hooks:
                hook.remove()

    def error(self, features: list[Tensor], motions: Tensor, places: Tensor) -> Tensor:
        """Cross-entropy of the words that are read.

        Args:
            features: of each layer (B, C, h', w')
            motions: what was said of each thing (B, THINGS, 18), bool
            places: where each thing is (B, THINGS, h, w), bool
        """
        errors = []
        for head, feature in zip(self.heads, features, strict=True):
            read = head(feature.float().permute(0, 2, 3, 1))[:, None]  # (B, 1, h', w', 18)
            wanted = motions[:, :, None, None].float().expand(*motions.shape[:2], *read.shape[2:])
            share = F.adaptive_avg_pool2d(places.float(), feature.shape[-2:])  # (B, THINGS, h', w')
            error = F.binary_cross_entropy_with_logits(read.expand_as(wanted), wanted, reduction="none").mean(-1)
            errors.append((share * error).sum() / share.sum())
        return torch.stack(errors).mean()
