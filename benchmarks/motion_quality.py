"""Whether clips made from words move as the words say: ``python -m benchmarks.motion_quality --save FILE``.

Held-out prompts of the miniature's world (``motion_prompts``), 16 frames each. What is measured, beside the same of
real clips and of what the VAE makes of these, which is the limit:

- path: every thing goes as told, relative to the ground where the camera pans; camera: the ground goes the other way
- drift of what stands still; leap: how much the longest step of a thing exceeds its median one
- shape, colour, ground, count, all: the share of the frames in which the judge finds them right; and the share of the
  clips that are right in every frame
- change: 1 - IoU of a thing's neighbouring masks, laid over each other; a figure that walks changes its shape
- joints: of a figure's eight kinds of joint, how many are found in a frame
- speeds of one prompt from one seed, told slowly, plainly and fast; ordered: whether they are in that order

Brackets are 95 % bootstrap intervals over clips. On a slow machine measure some prompts at a time (``--first``,
``--count``), each into a file, and show these together (``--read``).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import vedit
import world
from benchmarks.ground_motion import ground_track
from benchmarks.judge import Judge, Seen, View, load_judge
from benchmarks.judge.joints import Joints, load_joints, share_found
from benchmarks.judge.reading import masks_of, track_of
from benchmarks.masks import Array, shape_change
from benchmarks.motion_prompts import FRAMES, KINDS, PACED, PACED_EVERY, Case, case, paced
from benchmarks.record import record
from benchmarks.table import figure, percent, show
from benchmarks.tracks import drift, goes_as_told, longest_leap, pans_as_told, speed
from vedit.backbone.model import Backbone
from world import PACES

NAN = float("nan")

FASTER = 0.3
"""Least difference in pixels per frame of two speeds that are told apart by words; the world's differ by twice that."""

Figures = dict[str, list[dict[str, Any]]]
"""Of one row: "clips", a clip of each prompt, and "paces", the speeds of one prompt each."""

Way = Callable[[Case], Tensor]
"""How a row of the tables comes by a clip (16, 3, 128, 128) in [0, 1]."""


def rows(backbone: Backbone, settings: dict[str, Any]) -> dict[str, Way]:
    """What is measured beside each other."""

    def real(case: Case) -> Tensor:
        return torch.from_numpy(world.render(case.scene, FRAMES).frames).float().clamp(0, 1)

    def through_vae(case: Case) -> Tensor:
        return backbone.decode(backbone.encode(real(case))).float().cpu()

    def made(case: Case) -> Tensor:
        result = vedit.generate(backbone, case.prompt, frames=FRAMES, seed=case.number, **settings)
        return result.clip.frames.float().cpu()

    return {"real clips": real, "real, through the VAE": through_vae, "the model": made}


def ground_seen(frames: Tensor, case: Case, views: list[View]) -> Array:
    """How far (F, 2) the ground has gone in pixels since the first frame; nowhere if the camera should stand."""
    if case.scene.pan is None:
        return np.zeros((len(frames), 2))
    hidden = np.zeros((len(frames), world.SIZE, world.SIZE), dtype=bool)
    for number, view in enumerate(views):
        for thing in view.objects:
            hidden[number] |= thing.mask > 0.5
    return ground_track(frames.numpy(), hidden)


def things_seen(case: Case, views: list[View]) -> list[list[Seen | None]]:
    """For each of the scene's things what was seen of it, frame by frame."""
    return [list(each) for each in zip(*(view.matched(case.scene.objects) for view in views), strict=True)]


def measure(frames: Tensor, case: Case, judge: Judge, finder: Joints) -> dict[str, Any]:
    """Everything that the tables show of one clip (F, 3, 128, 128) in [0, 1]."""
    scene, views = case.scene, judge.see(frames)
    right = np.array([view.right(scene) for view in views])
    seen, ground = things_seen(case, views), ground_seen(frames, case, views)
    pairs = [(thing, track_of(each) - ground) for thing, each in zip(scene.objects, seen, strict=True)]
    still = [drift(track) for thing, track in pairs if thing.path == "still"]
    people = [each for each, thing in zip(seen, scene.objects, strict=True) if thing.shape == "person"]
    joints = finder.find(frames) if people else []
    found = [
        0.0 if one is None else share_found(named, one.mask)
        for each in people
        for one, named in zip(each, joints, strict=True)
    ]
    shape, colour, background, count = right.mean(axis=0).tolist()
    return {
        "number": case.number,
        "kind": case.kind,
        "prompt": case.prompt,
        "shapes": [thing.shape for thing in scene.objects],
        "path": all(goes_as_told(thing, track) for thing, track in pairs),
        "camera": NAN if scene.pan is None else pans_as_told(ground, scene.pan),
        "drift": float(np.mean(still)) if still else NAN,
        "leap": float(np.max([longest_leap(track) for _, track in pairs])),
        "shape": shape,
        "colour": colour,
        "ground": background,
        "count": count,
        "all": float(right.all(axis=1).mean()),
        "every_frame": bool(right.all()),
        "change": 100 * float(np.mean([shape_change(masks_of(each)) for each in seen])),
        "joints": float(np.mean(found)) if found else NAN,
    }


def speeds(number: int, way: Way, judge: Judge) -> dict[str, Any]:
    """The speeds in pixels per frame of one prompt at every pace."""
    cases = paced(number)
    found: dict[str, Any] = {"number": number, "kind": cases["plain"].kind}
    for pace, at_pace in cases.items():
        seen = things_seen(at_pace, judge.see(way(at_pace)))
        found[pace] = speed(track_of(seen[0]))
    slow, plain, fast = (found[pace] for pace in PACES)
    return {**found, "ordered": bool(plain - slow >= FASTER and fast - plain >= FASTER)}


def measured(ways: dict[str, Way], numbers: range, save: Path | None) -> dict[str, Figures]:
    """The figures of some prompts, printed, and written to ``save``, as they come."""
    judge, finder = load_judge(), load_joints()
    found: dict[str, Figures] = {title: {"clips": [], "paces": []} for title in ways}
    for number in numbers:
        for title, way in ways.items():
            now = case(number)
            found[title]["clips"].append(measure(way(now), now, judge, finder))
            print(title, found[title]["clips"][-1], flush=True)
            if number % PACED_EVERY == 0:
                found[title]["paces"].append(speeds(number, way, judge))
                print(title, found[title]["paces"][-1], flush=True)
        if save:
            record(save, found)
    return found


def joined(files: list[Path]) -> dict[str, Figures]:
    """The figures of several files together."""
    found: dict[str, Figures] = {}
    for file in files:
        for title, parts in json.loads(file.read_text(encoding="utf-8"))["figures"].items():
            row = found.setdefault(title, {"clips": [], "paces": []})
            for name, figures in parts.items():
                row[name].extend(figures)
    return found


def belongs(group: str, clip: dict[str, Any]) -> bool:
    """Whether a clip counts in a group of the tables' lines."""
    if group in ("person", "star"):
        return group in clip["shapes"]
    return group in ("all", clip["kind"])


GROUPS = ("all", *KINDS, "person", "star")

MOTION = {"path": percent, "camera": percent, "drift": figure, "leap": figure, "change": figure, "joints": percent}
LOOKS = dict.fromkeys(("shape", "colour", "ground", "count", "all", "every_frame"), percent)


def lines(found: dict[str, Figures], columns: Mapping[str, Callable[[list[float]], str]]) -> list[list[str]]:
    """For each group, the rows beside each other."""
    table = []
    for group in GROUPS:
        for title, parts in found.items():
            clips = [each for each in parts["clips"] if belongs(group, each)]
            if clips:
                told = [tell([each[name] for each in clips]) for name, tell in columns.items()]
                table.append([f"{group}: {title}", str(len(clips)), *told])
    return table


def pace_lines(found: dict[str, Figures]) -> list[list[str]]:
    """The speeds, of all paths and of each."""
    table = []
    for kind in ("all", *PACED):
        for title, parts in found.items():
            chosen = [each for each in parts["paces"] if belongs(kind, {**each, "shapes": []})]
            if chosen:
                told = [figure([each[pace] for each in chosen]) for pace in PACES]
                table.append([f"{kind}: {title}", str(len(chosen)), *told, percent([e["ordered"] for e in chosen])])
    return table


def show_all(found: dict[str, Figures]) -> None:
    """All tables."""
    header = ["", "clips", "path", "camera", "drift px", "leap px", "change %", "joints"]
    show(f"How {FRAMES} frames from words move", header, lines(found, MOTION))
    header = ["", "clips", "shape", "colour", "ground", "count", "all, frames", "all, every frame"]
    show(f"What {FRAMES} frames from words show", header, lines(found, LOOKS))
    show("Pixels per frame, by the word for the speed", ["", "prompts", *PACES, "ordered"], pace_lines(found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--first", type=int, default=0, help="number of the first prompt")
    parser.add_argument("--count", type=int, default=256, help="prompts")
    parser.add_argument("--rows", nargs="*", default=[""], help="some rows only, by the starts of their names")
    parser.add_argument("--steps", type=int, help="the default's, unless it is given")
    parser.add_argument("--save", type=Path, help="also write every clip's figures as JSON, as they come")
    parser.add_argument("--read", type=Path, nargs="*", help="measure nothing, and show the figures of these files")
    arguments = parser.parse_args()
    if arguments.read:
        show_all(joined(arguments.read))
        return
    settings = {} if arguments.steps is None else {"steps": arguments.steps}
    numbers = range(arguments.first, arguments.first + arguments.count)
    ways = rows(vedit.load_backbone(arguments.model), settings)
    chosen = {title: way for title, way in ways.items() if title.startswith(tuple(arguments.rows))}
    show_all(measured(chosen, numbers, arguments.save))


if __name__ == "__main__":
    main()
