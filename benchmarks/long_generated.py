"""Whether a long clip made from words goes on as it began: ``python -m benchmarks.long_generated``.

Held-out captions of one thing that goes slowly to one side, over four times the frames that motion modules see at once.
Beside each other: noise shared by all frames, as it is by default and without the steps that see the clip with a
stride; fresh noise; FreeNoise (the prior reshuffled); windows over the whole network; and FIFO-Diffusion. The judge
says where the thing is in each frame. Brackets are 95 % bootstrap intervals over clips.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

import vedit
import world
from benchmarks.judge import Judge, load_judge
from benchmarks.record import record
from benchmarks.table import figure, percent, show
from vedit.sampling import denoising
from vedit.windows import STRIDED, WINDOW
from world import Scene
from world.paths import UNIT

FRAMES = 4 * WINDOW

FIRST = 980_000
"""Seed of the first caption."""

STRETCH = 8
"""Frames over which a direction is told: a thing that goes slowly moves by half its size."""

WAYS: Mapping[str, Mapping[str, Any]] = {
    "shared noise": {"prior": "shared"},
    "no strides": {"prior": "shared"},
    "fresh noise": {"prior": "gaussian"},
    "reshuffled": {"prior": "reshuffled"},
    "windows": {"prior": "gaussian", "window": WINDOW},
    "fifo": {"fifo": True},
}
"""The rows of the table, and their settings."""

PLAIN = "no strides"
"""The row whose motion modules never see the clip with a stride."""


def scenes(count: int, first: int = FIRST) -> list[Scene]:
    """So many held-out scenes of one thing, no figure, that goes slowly to one side."""
    found = []
    for seed in range(first, first + count):
        scene = world.sample_clip(seed, "held_out", frames=WINDOW, path="straight", pace="slowly")
        found.append(scene.changed(shape="star") if scene.objects[0].shape == "person" else scene)
    return found


def measure(frames: Tensor, scene: Scene, judge: Judge) -> dict[str, float]:
    """Everything that the table shows of one clip (F, 3, H, W)."""
    seen, thing = judge.see(frames), scene.objects[0]
    track = seen.centre.double().numpy()
    along = track @ np.array(UNIT[thing.direction], dtype=float)
    goes = np.diff(along[:: min(STRETCH, len(along) - 1)])
    right = [
        np.mean([each == value for each in found])
        for found, value in (
            (seen.shape, thing.shape),
            (seen.colour, thing.colour),
            (seen.background, scene.background),
        )
    ]
    return {
        "direction": float(np.mean(goes > 0)),
        "speed": float(goes.mean() / STRETCH / thing.speed),
        "repeats": again(np.diff(track, axis=0)),
        "right": float(np.mean(right)),
        "change": 100 * float((frames[1:] - frames[:-1]).abs().mean()),
    }


def again(steps: np.ndarray, lag: int = WINDOW) -> float:
    """How much a thing's steps (F - 1, 2) are like those so many frames before: the correlation of what is left of them
    without their mean. NaN for too short a clip."""
    if len(steps) < 2 * lag:
        return float("nan")
    rest = steps - steps.mean(0)
    one, other = rest[lag:].ravel(), rest[:-lag].ravel()
    return float(one @ other / max(np.linalg.norm(one) * np.linalg.norm(other), 1e-9))


def made(model: str, scene: Scene, seed: int, frames: int, settings: Mapping[str, Any]) -> Tensor:
    told = {"frames": frames, "seed": seed, "width": world.SIZE, "height": world.SIZE, **settings}
    return vedit.generate(vedit.load_backbone(model), scene.caption, **told).clip.frames


HEADER = ["", "goes its way", "speed (x asked)", "repeats (r)", "attributes", "change a frame (%)"]


def summary(title: str, figures: list[dict[str, float]]) -> list[str]:
    values = {name: [each[name] for each in figures] for name in figures[0]}
    return [
        title,
        percent(values["direction"]),
        figure(values["speed"], 2),
        figure(values["repeats"], 2),
        percent(values["right"]),
        figure(values["change"], 2),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--clips", type=int, default=12)
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--first", type=int, default=FIRST, help="seed of the first caption")
    parser.add_argument("--steps", type=int, help="of every way; by default each its own")
    parser.add_argument("--rows", nargs="*", default=[""], help="some rows only, by the starts of their names")
    parser.add_argument("--save", type=Path, help="also write every clip's figures as JSON")
    told = parser.parse_args()
    chosen, judge = scenes(told.clips, told.first), load_judge()
    steps = {} if told.steps is None else {"steps": told.steps}
    found: dict[str, list[dict[str, float]]] = {}
    for title, settings in WAYS.items():
        if not title.startswith(tuple(told.rows)):
            continue
        clips = (made(told.model, scene, seed, told.frames, {**settings, **steps}) for seed, scene in enumerate(chosen))
        with patch.object(denoising, "STRIDED", 0.0 if title == PLAIN else STRIDED):
            found[title] = [measure(clip, scene, judge) for clip, scene in zip(clips, chosen, strict=True)]
        print(*summary(title, found[title]), sep=" | ", flush=True)
    if told.save:
        record(told.save, found)
    lines = [summary(title, figures) for title, figures in found.items()]
    show(f"{len(chosen)} clips of {told.frames} frames from words", HEADER, lines)


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
