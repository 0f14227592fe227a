"""What clips gain that are made larger or smoother: ``python -m benchmarks.larger``.

Held-out clips of the world, known exactly. Larger: each is halved and enlarged again, by bicubic interpolation and by
`vedit upscale`, without words and with them, and with the model's ControlNet `tile` where it brings one. Smoother:
every other frame is left out and made again by `vedit smooth`, beside the frame before it and the blend of both.
Brackets are 95 % bootstrap intervals over clips.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import vedit
import world
from benchmarks.held_out import decibels, warp_error
from benchmarks.judge import Judge, load_judge
from benchmarks.record import record
from benchmarks.table import figure, percent, show
from vedit.clip.lazy import LazyClip
from vedit.clip.sizes import resize
from vedit.motion.between import smoothed
from world import Rendered

FRAMES = 9
FIRST = 985_000
"""Seed of the first clip."""

RATE = Fraction(8)
WORDS = "(its own words)"
"""Stands for the clip's caption."""

WAYS: Mapping[str, Mapping[str, Any] | None] = {
    "bicubic": None,
    "upscale": {"tile_net": "none"},
    "upscale, told": {"tile_net": "none", "prompt": WORDS},
    "upscale, tile net": {},
    "upscale, tile net, told, 0.6": {"prompt": WORDS, "strength": 0.6},
}
"""How a clip is made larger, and the settings of that."""


def clips(count: int) -> list[Rendered]:
    """So many held-out clips."""
    seeds = range(FIRST, FIRST + count)
    return [world.render(world.sample_clip(seed, "held_out", frames=FRAMES), FRAMES) for seed in seeds]


def frames_of(exact: Rendered) -> Tensor:
    return torch.from_numpy(exact.frames).float().clamp(0, 1)


def larger(model: str, exact: Rendered, settings: Mapping[str, Any] | None) -> Tensor:
    """The clip halved and enlarged again."""
    frames = frames_of(exact)
    size = int(frames.shape[2]), int(frames.shape[3])
    small = resize(frames, (size[0] // 2, size[1] // 2))
    if settings is None:
        return resize(small, size)
    told = {key: exact.scene.caption if value == WORDS else value for key, value in settings.items()}
    return vedit.upscale(vedit.load_backbone(model), vedit.Clip(small, RATE), **told).clip.frames


def larger_figures(frames: Tensor, exact: Rendered, judge: Judge) -> dict[str, float]:
    """What the table shows of one enlarged clip (F, 3, H, W)."""
    seen, scene = judge.see(frames), exact.scene
    thing, everywhere = scene.objects[0], torch.ones(len(frames), 1, *frames.shape[2:])
    told = ((seen.shape, thing.shape), (seen.colour, thing.colour), (seen.background, scene.background))
    return {
        "db": decibels(frames, frames_of(exact), everywhere),
        "right": float(np.mean([each == value for found, value in told for each in found])),
        "change": warp_error(frames, exact),
    }


def smoother_figures(exact: Rendered) -> dict[str, float]:
    """Decibels of the frames left out, as three ways make them again."""
    frames = frames_of(exact)
    kept, wanted = frames[::2], frames[1::2]
    everywhere = torch.ones(len(wanted), 1, *frames.shape[2:])
    made = smoothed(LazyClip.of(vedit.Clip(kept, RATE)), 2).whole().frames[1::2][: len(wanted)]
    return {
        "the frame before": decibels(kept[:-1], wanted, everywhere),
        "a blend": decibels((kept[:-1] + kept[1:]) / 2, wanted, everywhere),
        "smooth": decibels(made, wanted, everywhere),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--clips", type=int, default=12)
    parser.add_argument("--only", choices=["larger", "smoother"], help="one of the tables")
    parser.add_argument("--save", type=Path, help="also write every clip's figures as JSON")
    told = parser.parse_args()
    chosen, found = clips(told.clips), dict[str, list[dict[str, float]]]()
    brings = "tile" in vedit.load_backbone(told.model).notes.controls
    if told.only != "smoother":
        judge, rows = load_judge(), []
        for title, settings in WAYS.items():
            if settings is not None and "tile_net" not in settings and not brings:
                continue
            found[title] = [larger_figures(larger(told.model, each, settings), each, judge) for each in chosen]
            values = {name: [each[name] for each in found[title]] for name in found[title][0]}
            rows.append([title, figure(values["db"]), percent(values["right"]), figure(values["change"], 2)])
            print(*rows[-1], sep=" | ", flush=True)
        show(f"{len(chosen)} clips enlarged twice", ["", "dB", "attributes", "change along motion (%)"], rows)
    if told.only != "larger":
        found["smooth"] = [smoother_figures(each) for each in chosen]
        ways = {name: [each[name] for each in found["smooth"]] for name in found["smooth"][0]}
        show("Frames left out and made again", ["", "dB"], [[name, figure(values)] for name, values in ways.items()])
    if told.save:
        record(told.save, found)


if __name__ == "__main__":
    main()
