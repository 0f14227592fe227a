"""Held-out edits: clips of the world, one attribute to change in each, and the exact counterfactual."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

import world
from benchmarks.judge import Judge
from benchmarks.masks import centres as outlines
from benchmarks.masks import needless_change, overlap
from benchmarks.tracks import largest_jump
from vedit import Clip
from world import Rendered, Scene
from world.scene import TILT

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
        wanted = scene.changed(**{change: other_value(scene, change, first + number)})
        found.append(Case(change, world.render(scene, FRAMES), world.render(wanted, FRAMES)))
    return found


def other_value(scene: Scene, change: str, seed: int) -> str:
    """Another value of the attribute that is to ``change``, drawn evenly."""
    now = scene.background if change == "background" else getattr(scene.objects[0], change)
    others = [value for value in _VALUES[change] if value != now]
    return others[np.random.default_rng([41, seed]).integers(len(others))]


def best_guess(case: Case) -> Tensor:
    """The wanted frames (F, 3, H, W) as one draws them who knows the world, but of a new shape neither size nor tilt.

    It gets the centroid and the area of the thing that it replaces, and is turned at random. The words say no more, so
    that its overlap with the exact shape is what an edit can reach.
    """
    scene, thing = case.wanted.scene, case.wanted.scene.objects[0]
    if case.change == "shape":
        before, after = case.source.masks[:, 0], case.wanted.masks[:, 0]
        off = (centres(before) - centres(after)).mean(0).tolist()
        chance = np.random.default_rng([42, scene.texture, round(1000 * thing.radius)])
        thing = replace(
            thing,
            radius=thing.radius * float(np.sqrt(before.sum() / after.sum())),
            start=(thing.start[0] + off[0], thing.start[1] + off[1]),
            tilt=0.0 if thing.shape == "person" else float(chance.uniform(-TILT, TILT)),
        )
        scene = replace(scene, objects=(thing, *scene.objects[1:]))
    return torch.from_numpy(world.render(scene, len(case.wanted.frames)).frames).clamp(0, 1)


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


def centres(masks: np.ndarray) -> Tensor:
    """Centroid (x, y) of each mask (F, H, W)."""
    weights = torch.from_numpy(masks)
    line = torch.arange(weights.shape[-1], dtype=torch.float32)
    total = weights.sum((1, 2)).clamp(min=1e-6)
    return torch.stack([(weights.sum(1) * line).sum(1) / total, (weights.sum(2) * line).sum(1) / total], dim=1)


def measure(frames: Tensor, case: Case, judge: Judge) -> dict[str, float]:
    """Everything that the tables show of one edited clip (F, 3, H, W)."""
    seen = judge.see(frames)
    thing, ground = case.wanted.scene.objects[0], case.wanted.scene.background
    right = {
        "shape": np.mean([each == thing.shape for each in seen.shape]),
        "colour": np.mean([each == thing.colour for each in seen.colour]),
        "background": np.mean([each == ground for each in seen.background]),
    }
    kept = [right[name] for name in CHANGES if name != case.change]
    truth = centres(case.wanted.masks[:, 0])
    exact = case.wanted.masks[:, 0]
    overlaps = overlap(seen.masks, exact > 0.5)
    return {
        "changed": float(right[case.change]),
        "kept": float(np.mean(kept)),
        "track": float((seen.centre - truth).norm(dim=1).mean()),
        "unchanged": decibels(frames, case.clip.frames, case.unchanged),
        "warp": warp_error(frames, case.wanted),
        "overlap": float(overlaps.mean()),
        "worst_overlap": float(overlaps.min()),
        "needless": 100 * needless_change(seen.masks.astype(float), exact),
        "jump": largest_jump(outlines(seen.masks.astype(float)), outlines(exact)),
    }
