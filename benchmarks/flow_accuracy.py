"""How near estimated flow comes to the world's exact one: ``python -m benchmarks.flow_accuracy``.

Held-out clips, every second one with a moving camera. The endpoint error is the mean length of the difference to the
exact motion, in pixels of 128; inside objects (where their mask is above a half) and outside them. Of what is hidden
in the next frame: how much is found, and how much of what is called so really is. Brackets are 95 % bootstrap
intervals over clips.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from itertools import pairwise
from typing import get_args

import numpy as np
import torch
from torch import Tensor

import world
from benchmarks.table import figure, percent, show
from vedit.errors import PartError, WeightsError
from vedit.flow import Flow, Method, estimate_flow
from world import Rendered

FIRST = 950_000
"""Seed of the first held-out scene; other benchmarks use others."""

FRAMES = 8

Estimate = Callable[[Tensor], Flow]


def standing(frames: Tensor) -> Flow:
    """No motion at all: what an estimate must beat."""
    still = frames.new_zeros(len(frames) - 1, 2, *frames.shape[2:])
    return Flow.both_ways(still, still)


def farneback(frames: Tensor) -> Flow:
    """OpenCV's other dense flow without weights (Farneback 2003), at the parameters of its documentation."""
    import cv2

    pixels = frames.clamp(0, 1).mul(255).round().byte().permute(0, 2, 3, 1).numpy()
    grey = [cv2.cvtColor(each, cv2.COLOR_RGB2GRAY) for each in pixels]

    def pairs(there: list[np.ndarray]) -> Tensor:
        found = [cv2.calcOpticalFlowFarneback(a, b, None, 0.5, 3, 15, 3, 5, 1.2, 0) for a, b in pairwise(there)]
        return torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2).contiguous()

    return Flow.both_ways(pairs(grey), pairs(grey[::-1]).flip(0))


def exactly_hidden(made: Rendered) -> Tensor:
    """Which pixels of each frame (F - 1, H, W) the next does not show: their exact motion leads behind another thing
    or out of the picture."""
    flow = torch.from_numpy(made.flow)
    owner = (torch.from_numpy(made.masks[:, 0]) > 0.5).float()
    height, width = owner.shape[1:]
    x = torch.arange(width) + flow[:, 0]
    y = torch.arange(height)[:, None] + flow[:, 1]
    outside = (x < -0.5) | (x > width - 0.5) | (y < -0.5) | (y > height - 0.5)
    column, row = x.round().long().clamp(0, width - 1), y.round().long().clamp(0, height - 1)
    there = owner[1:][torch.arange(len(flow))[:, None, None], row, column]
    return outside | ((owner[:-1] == 0) & (there == 1))


def measured(estimate: Estimate, made: Rendered) -> dict[str, float]:
    """The figures of one clip."""
    started = time.monotonic()
    found = estimate(torch.from_numpy(made.frames).clamp(0, 1))
    seconds = time.monotonic() - started
    error = (found.forward - torch.from_numpy(made.flow)).norm(dim=1)
    inside = torch.from_numpy(made.masks[:-1].max(1)) > 0.5
    hidden = exactly_hidden(made)
    both = float((found.hidden & hidden).sum())
    return {
        "inside": float(error[inside].mean()),
        "outside": float(error[~inside].mean()),
        "found": both / max(1, int(hidden.sum())),
        "right": both / int(found.hidden.sum()) if found.hidden.any() else float("nan"),
        "ms": 1000 * seconds / (2 * len(found.forward)),
    }


def summary(title: str, figures: list[dict[str, float]]) -> list[str]:
    inside, outside, found, right, ms = ([each[name] for each in figures] for name in figures[0])
    true = percent(right) if np.isfinite(right).any() else "-"
    return [title, figure(inside, 2), figure(outside, 2), percent(found), true, f"{np.mean(ms):.1f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--split", choices=["held_out", "train"], default="held_out", help="train is for choosing")
    arguments = parser.parse_args()
    first = FIRST if arguments.split == "held_out" else 20_000
    scenes = [
        world.sample_scene(first + number, arguments.split, frames=FRAMES, moving_camera=number % 2 == 1)
        for number in range(arguments.clips)
    ]
    clips = [world.render(scene, FRAMES) for scene in scenes]
    ways: dict[str, Estimate] = {"no flow (zero)": standing, "OpenCV Farneback": farneback}
    for method in get_args(Method):
        ways[f"vedit, {method}"] = lambda frames, method=method: estimate_flow(frames, method)
    lines = []
    for title, way in ways.items():
        try:
            lines.append(summary(title, [measured(way, clip) for clip in clips]))
        except (PartError, WeightsError) as error:
            print(f"{title}: left out. {error}")
    header = ["", "error inside, px", "error outside, px", "hidden found", "called hidden, rightly", "ms a pair"]
    show(f"{len(clips)} clips of {FRAMES} frames ({arguments.split} scenes)", header, lines)


if __name__ == "__main__":
    main()
