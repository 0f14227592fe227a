"""That the layers of an image model know how things move.

Motion modules see, of each frame, one place at a time, and have no words of their own: what they know of a prompt and
of where things are is what the frozen layers of the image model put into the features of that place. Those learn from
pictures, which do not show where a thing goes, so they drop "moving left" as if it had not been said. Here linear maps,
thrown away afterwards, read two things off the features: at each thing the words for its motion, and at every place
whether a thing comes or came by there, so many frames later or earlier. What makes them right is that the text
encoder, cross-attention and convolutions bring this knowledge there.
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

MOMENTS = (-12, -8, -4, -2, 0, 2, 4, 8, 12)
"""At how many frames from a picture's own it is read where things are."""


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
    """Linear maps from a UNet's features, at the layers where a picture is decided on, to ``MOTIONS`` and to whether
    each thing is there at ``MOMENTS``."""

    def __init__(self, unet: UNet2DConditionModel) -> None:
        super().__init__()
        down, up = unet.config.block_out_channels, unet.config.block_out_channels[::-1]
        read = len(MOTIONS) + len(MOMENTS) * THINGS
        self.heads = nn.ModuleList(nn.Linear(width, read) for width in (*down[1:], down[-1], *up[:-1]))

    @contextmanager
    def features(self, unet: UNet2DConditionModel) -> Iterator[list[Tensor]]:
        """What these layers put out within, (B, C, h', w') each; who runs the UNet again clears the list before."""
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
        """Cross-entropy of what is read.

        Args:
            features: of each layer (B, C, h', w')
            motions: what was said of each thing (B, THINGS, 18), bool
            places: where each thing is at each of ``MOMENTS`` (B, 9, THINGS, h, w), bool
        """
        errors = []
        for head, feature in zip(self.heads, features, strict=True):
            read = head(feature.float().permute(0, 2, 3, 1))  # (B, h', w', 18 + 9 * THINGS)
            shares = F.adaptive_avg_pool2d(places.flatten(1, 2).float(), feature.shape[-2:])  # (B, 9 * THINGS, h', w')
            there = shares.unflatten(1, places.shape[1:3])[:, MOMENTS.index(0)]  # (B, THINGS, h', w')
            told = read[:, None, ..., : len(MOTIONS)]  # (B, 1, h', w', 18)
            wanted = motions[:, :, None, None].float().expand(*motions.shape[:2], *told.shape[2:])
            error = F.binary_cross_entropy_with_logits(told.expand_as(wanted), wanted, reduction="none").mean(-1)
            seen = F.binary_cross_entropy_with_logits(read[..., len(MOTIONS) :], shares.permute(0, 2, 3, 1))
            errors.append((there * error).sum() / there.sum() + seen)
        return torch.stack(errors).mean()
