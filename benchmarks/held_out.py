"""Held-out edits: clips of the world, one attribute to change in each, and the exact counterfactual."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

import world
from benchmarks.judge import Judge
from benchmarks.judge.reading import masks_of, track_of
from benchmarks.masks import centres, needless_change, overlap
from benchmarks.table import figure, middle_and_worst
from benchmarks.tracks import largest_jump, mean_distance
from vedit import Clip
from world import Rendered

FRAMES = 8
CHANGES = ("colour", "background", "shape")
_VALUES = {"colour": world.COLOURS, "background": world.BACKGROUNDS, "shape": world.SHAPES}


@dataclass(frozen=True)
class Case:
    """One edit: ``change`` is the attribute asked to change; ``source`` and ``wanted`` are exact."""

    change: str
    source: Rendered
    wanted: Rendered

    @property
    def clip(self) -> Clip:
        return Clip(frames=torch.from_numpy(self.source.frames).clamp(0, 1), rate=Fraction(8))

    @property
    def source_prompt(self) -> str:
        return self.source.scene.caption

    @property
    def prompt(self) -> str:
        return self.wanted.scene.caption

    @property
    def unchanged(self) -> Tensor:
        """Where nothing should change (F, 1, H, W): inside the object for a new ground, else away from both objects."""
        before, after = (torch.from_numpy(each.masks[:, :1]) for each in (self.source, self.wanted))
        if self.change == "background":
            return 1 - F.max_pool2d((before < 0.5).float(), 3, stride=1, padding=1)
        return 1 - F.max_pool2d((torch.maximum(before, after) > 0).float(), 5, stride=1, padding=2)


def cases(count: int, first: int = 900_000) -> list[Case]:
    """``count`` held-out edits, a third of each change, the new value drawn evenly from the others."""
    found = []
    for number in range(count):
        scene = world.sample_scene(first + number, "held_out", frames=FRAMES)
        change = CHANGES[number % len(CHANGES)]
        now = scene.background if change == "background" else getattr(scene.objects[0], change)
        rng = np.random.default_rng([41, first + number])
        others = [value for value in _VALUES[change] if value != now]
        wanted = scene.changed(**{change: others[rng.integers(len(others))]})
        found.append(Case(change, world.render(scene, FRAMES), world.render(wanted, FRAMES)))
    return found


def decibels(a: Tensor, b: Tensor, where: Tensor) -> float:
    """PSNR inside ``where`` (F, 1, H, W) of two clips (F, 3, H, W) in [0, 1]."""
    error = ((a - b).square() * where).sum() / (3 * where.sum()).clamp(min=1)
    return float(-10 * error.clamp(min=1e-10).log10())


def warp_error(frames: Tensor, wanted: Rendered) -> float:
    """Mean |frame i + 1, carried back along the exact flow, minus frame i|, in hundredths of the range.

    Measured where the flow is trustworthy: where the wanted scene itself, carried so, is unchanged within 0.1.
    """
    flow = torch.from_numpy(wanted.flow)
    line = torch.arange(frames.shape[-1], dtype=torch.float32)
    at_x, at_y = line[None, None, :] + flow[:, 0], line[None, :, None] + flow[:, 1]
    side = frames.shape[-1] - 1
    grid = torch.stack([2 * at_x / side - 1, 2 * at_y / side - 1], dim=-1)

    def difference(clip: Tensor) -> Tensor:
        carried = F.grid_sample(clip[1:], grid, align_corners=True, padding_mode="border")
        return (carried - clip[:-1]).abs().mean(1)

    trusted = difference(torch.from_numpy(wanted.frames).clamp(0, 1)) < 0.1
    return 100 * float(difference(frames)[trusted].mean())


def measure(frames: Tensor, case: Case, judge: Judge) -> dict[str, float]:
    """Everything that the tables show of one edited clip (F, 3, H, W).

    The object is the largest that the judge sees in each frame. Where it sees none, the object's attributes are wrong,
    its overlap is 0, and it has no place.
    """
    views = judge.see(frames)
    seen = [view.largest for view in views]
    thing, ground = case.wanted.scene.objects[0], case.wanted.scene.background
    right = {
        "shape": np.mean([each is not None and each.shape == thing.shape for each in seen]),
        "colour": np.mean([each is not None and each.colour == thing.colour for each in seen]),
        "background": np.mean([view.ground == ground for view in views]),
    }
    kept = [right[name] for name in CHANGES if name != case.change]
    masks, exact = masks_of(seen), case.wanted.masks[:, 0]
    overlaps = overlap(masks > 0.5, exact > 0.5)
    track, truth = track_of(seen), centres(exact)
    return {
        "changed": float(right[case.change]),
        "kept": float(np.mean(kept)),
        "track": mean_distance(track, truth),
        "unchanged": decibels(frames, case.clip.frames, case.unchanged),
        "warp": warp_error(frames, case.wanted),
        "overlap": float(overlaps.mean()),
        "worst_overlap": float(overlaps.min()),
        "shape_change": 100 * needless_change(masks, exact),
        "jump": largest_jump(track, truth),
    }


OF_OBJECTS = ["IoU: median, worst", "shape change %", "jump px"]
"""The columns of every table of edits on the object itself: how far it overlaps the exact edit's; how much its shape
changes from frame to frame beyond what the exact edit's does; its largest step beside the exact one."""


def of_objects(figures: list[dict[str, Any]]) -> list[str]:
    """What stands in the columns ``OF_OBJECTS``."""
    overlaps, changes, jumps = ([each[name] for each in figures] for name in ("overlap", "shape_change", "jump"))
    return [middle_and_worst(overlaps), figure(changes), figure(jumps)]
