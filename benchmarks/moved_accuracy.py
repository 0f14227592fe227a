"""Things of a clip that are given another way: ``python -m benchmarks.moved_accuracy``.

In held-out clips of the world a thing is led another way along one stroke, by `vedit edit --motion-strokes`; in every
other clip it gets another colour as well. Judged against the exact clip in which it goes that way: where it is at the
end, how far from its way it is on average, what else of the clip is kept, what is put where it was, and whether all is
what the prompt says. Beside it the same edit without strokes. Brackets are 95 % bootstrap intervals.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import yaml
from torch import Tensor

import vedit
import world
from benchmarks.held_out import Case, decibels, other_value
from benchmarks.image_accuracy import seen_words
from benchmarks.judge import Judge, load_judge
from benchmarks.record import record
from benchmarks.table import figure, percent, show
from vedit.sheet import Row, sheet_of
from world import SIZE
from world.paths import DIRECTIONS

FIRST = 965_000
"""Seed of the first clip."""

FRAMES = 16

WITHIN = 2.0
"""Pixels from the picture's edge that a thing keeps on its new way, or the clip is left out."""


def cases(count: int, first: int = FIRST) -> list[Case]:
    """So many held-out clips whose thing can go another way, in the odd ones of another colour."""
    found: list[Case] = []
    seed = first
    while len(found) < count:
        scene = world.sample_clip(seed, "held_out", frames=FRAMES, path="straight")
        direction = [each for each in DIRECTIONS if each != scene.objects[0].direction][seed % 3]
        seed += 1
        changes: dict[str, Any] = {"direction": direction}
        if len(found) % 2:
            changes["colour"] = other_value(scene, "colour", seed)
        wanted = scene.changed(**changes)
        way = np.array([wanted.objects[0].position(time) for time in range(FRAMES)])
        inside = WITHIN + scene.objects[0].radius
        if way.min() >= inside and way.max() <= SIZE - 1 - inside:
            change = "colour" if len(found) % 2 else "direction"
            found.append(Case(change, world.render(scene, FRAMES), world.render(wanted, FRAMES)))
    return found


def strokes_of(case: Case) -> dict[str, Any]:
    """A strokes file that leads the thing of a case along its new way."""
    thing = case.wanted.scene.objects[0]
    points = [list(map(float, thing.position(time))) for time in range(FRAMES)]
    return {
        "version": 1, "size": [SIZE, SIZE], "frames": FRAMES,
        "strokes": [{"points": points, "radius": float(thing.radius)}],
    }  # fmt: skip


def measured(frames: Tensor, case: Case, judge: Judge) -> dict[str, float]:
    """All that the table shows of one clip (F, 3, H, W)."""
    seen, scene = judge.see(frames), case.wanted.scene
    way = torch.tensor([scene.objects[0].position(time) for time in range(FRAMES)])
    gaps = (seen.centre - way).norm(dim=1)
    before, after = (torch.from_numpy(each.masks[:, :1]) for each in (case.source, case.wanted))
    wide = [F.max_pool2d((each > 0).float(), 5, stride=1, padding=2) for each in (before, after)]
    exact = torch.from_numpy(case.wanted.frames).clamp(0, 1)
    thing = scene.objects[0]
    asked = (seen.shape, thing.shape), (seen.colour, thing.colour), (seen.background, scene.background)
    right = [np.mean([each == value for each in of_frames]) for of_frames, value in asked]
    return {
        "end": float(gaps[-1]),
        "along": float(gaps.mean()),
        "kept": decibels(frames, case.clip.frames, 1 - torch.maximum(*wide)),
        "uncovered": decibels(frames, exact, (wide[0] - wide[1]).clamp(min=0)),
        "thing": decibels(frames, exact, (after > 0.99).float()),
        "right": float(np.mean(right)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--first", type=int, default=FIRST, help="seed of the first clip")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the edits")
    parser.add_argument("--sheets", type=Path, help="folder for a contact sheet of each clip")
    parser.add_argument("--save", type=Path, help="also write every clip's figures as JSON")
    told = parser.parse_args()
    backbone, judge = vedit.load_backbone(told.model), load_judge()
    settings = {key: yaml.safe_load(value) for key, _, value in (each.partition("=") for each in told.set)}
    found: dict[str, list[dict[str, float]]] = {}
    with TemporaryDirectory() as name:
        path = Path(name) / "strokes.yaml"
        for number, case in enumerate(cases(told.clips, told.first)):
            path.write_text(yaml.safe_dump(strokes_of(case)), encoding="utf-8")
            exact = vedit.Clip(torch.from_numpy(case.wanted.frames).clamp(0, 1), case.clip.rate)
            rows = [Row("source", case.clip), Row("exact", exact)]
            for title, more in (("along a stroke", {"motion_strokes": path}), ("without strokes", {})):
                result = vedit.edit(
                    backbone, case.clip, seen_words(case.wanted.scene), source_prompt=seen_words(case.source.scene),
                    check_inversion=False, cache=False, seed=number, **more, **settings,
                )  # fmt: skip
                of_change = title if case.change == "direction" else f"{title}, recoloured"
                found.setdefault(of_change, []).append(measured(result.clip.frames, case, judge))
                print(of_change, found[of_change][-1], sep=" | ", flush=True)
                rows.append(Row(title, result.clip))
            if told.sheets is not None:
                told.sheets.mkdir(parents=True, exist_ok=True)
                sheet_of(rows, told.sheets / f"{number:03}.png", columns=6, overwrite=True)
    if told.save is not None:
        record(told.save, found)
    lines = []
    for title, every in sorted(found.items()):
        columns = {name: [each[name] for each in every] for name in every[0]}
        numbers = [figure(columns[name]) for name in ("end", "along", "kept", "uncovered", "thing")]
        lines.append([title, str(len(every)), *numbers, percent(columns["right"])])
    head = ["", "clips", "end px", "along px", "kept dB", "uncovered dB", "thing dB", "attributes right"]
    show(f"Things of clips of {FRAMES} frames led another way", head, lines)


if __name__ == "__main__":
    main()
