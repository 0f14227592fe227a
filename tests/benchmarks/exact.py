"""A judge that says what is true of one clip, for tests of what is made of its words."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from benchmarks.judge import Judge, Seen, View
from benchmarks.masks import centres
from world import Object, Rendered


def seen(thing: Object, mask: np.ndarray) -> Seen:
    """An object as it is, with this mask (H, W)."""
    x, y = centres(mask[None])[0]
    return Seen(thing.colour, thing.shape, mask, (float(x), float(y)), float((mask > 0.5).sum()))


def views(clip: Rendered) -> list[View]:
    """What a clip shows."""
    found = []
    for masks in clip.masks:
        things = [seen(thing, mask) for thing, mask in zip(clip.scene.objects, masks, strict=True)]
        found.append(View(clip.scene.background, tuple(sorted(things, key=lambda each: -each.area))))
    return found


class ExactJudge(Judge):
    """Says of any frames what this clip shows."""

    def __init__(self, clip: Rendered) -> None:
        super().__init__()
        self.clip = clip

    def see(self, frames: Tensor) -> list[View]:
        assert len(frames) == len(self.clip.frames)
        return views(self.clip)
