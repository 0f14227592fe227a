"""Whether clips that are made of words move as these say, and stay what they are: ``python -m
benchmarks.motion_quality``.

Held-out captions of the world, 16 frames each, from fresh noise. The judge finds every object in every frame; its track
is held against its words (``tracks``), its outline against that of the frame before. The same figures of the captions'
own exact clips after the VAE say what the judge and the decoder leave possible. Brackets are 95 % bootstrap intervals
over clips.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor

import vedit
import world
from benchmarks.ground_motion import ground_track
from benchmarks.judge import Judge, load_judge
from benchmarks.judge.joints import NEAR, Joints, load_joints
from benchmarks.judge.model import BROKEN, Thing
from benchmarks.masks import shape_change
from benchmarks.record import record
from benchmarks.table import figure, interval, percent, show
from benchmarks.tracks import drift, goes_as_told, longest_leap, pans_as_told, speed
from vedit.backbone import Backbone
from world import Scene, shapes
from world.clips import SPEEDS
from world.paths import PACES

FRAMES = 16
FIRST = 960_000
"""Seed of the first scene; none was looked at while the model was trained or its defaults were chosen."""

KINDS = {"straight": 32, "still": 24, "bouncing": 24, "turning": 24, "circling": 16, "panned": 24, "two": 48}
"""Scenes of each kind; the straight ones are told three times, slowly, plainly and fast."""


@dataclass(frozen=True)
class Case:
    """A caption, and a scene that it tells of."""

    kind: str
    scene: Scene
    seed: int


Figures = dict[str, Any]
Make = Callable[[Case], Tensor]


def cases(share: float = 1.0, first: int = FIRST) -> list[Case]:
    """The held-out captions, or a share of each kind of them; those of one straight scene share the seed of its
    noise."""
    found = []
    for number, (kind, count) in enumerate(KINDS.items()):
        for seed in range(first + 1000 * number, first + 1000 * number + max(1, round(share * count))):
            match kind:
                case "straight":
                    scene = world.sample_clip(seed, "held_out", path="straight", pace="fast")
                    found += [Case(kind, paced(scene, pace), seed) for pace in PACES]
                case "two":
                    found.append(Case(kind, world.sample_clip(seed, "held_out", objects=2), seed))
                case "panned":
                    found.append(Case(kind, world.sample_clip(seed, "held_out", pans=True), seed))
                case _:
                    found.append(Case(kind, world.sample_clip(seed, "held_out", path=kind), seed))
    return found


def paced(scene: Scene, pace: world.Pace) -> Scene:
    """The scene whose things go at another pace; in the middle of its range, which training never shows."""
    return replace(
        scene, objects=tuple(replace(each, pace=pace, speed=float(np.mean(SPEEDS[pace]))) for each in scene.objects)
    )


def exact(case: Case) -> Tensor:
    """The scene's own frames (F, 3, H, W)."""
    return torch.from_numpy(world.render(case.scene, FRAMES).frames).clamp(0, 1)


def measure(frames: Tensor, case: Case, judge: Judge, finder: Joints) -> Figures:
    """What the tables show of one clip (F, 3, H, W)."""
    seen, things = judge.see(frames), case.scene.objects
    wanted = {thing.colour for thing in things}
    found: Figures = {
        "ground": float(np.mean([each == case.scene.background for each in seen.background])),
        "objects": float(np.mean([{thing.colour for thing in each} == wanted for each in seen.things])),
        "broken": float(np.mean([thing.shape == BROKEN for each in seen.things for thing in each] or [1.0])),
    }
    tracks = [seen.track(thing.colour) for thing in things]
    right = np.array([[each is not None and each.shape == thing.shape for each in seen.of(thing.colour)]
                      for thing in things])  # fmt: skip
    found["shape"] = float(right.mean())
    found["all"] = float(np.mean([found["ground"], found["objects"], found["shape"]]))
    found["whole clip"] = float(min(found["ground"], found["objects"], found["shape"]) == 1)
    masks = [seen.masks_of(thing.colour).astype(float) for thing in things]
    found["change"] = float(np.mean([shape_change(each).mean() for each in masks]))
    found["leap"] = float(np.nanmean([longest_leap(track) for track in tracks]))
    ground = None
    if case.kind == "panned":
        hidden = np.any([each > 0 for each in masks], axis=0)
        ground = ground_track(frames.double().numpy(), hidden)
        found["pans"] = float(case.scene.pan is not None and pans_as_told(ground, case.scene.pan))
    # Where the camera pans, things go upon the ground that it passes over.
    going = [track if ground is None else track - ground for track in tracks]
    found["moves"] = float(all(goes_as_told(thing, track) for thing, track in zip(things, going, strict=True)))
    found["still"] = float(np.nanmax([drift(track) for track in going])) if case.kind == "still" else float("nan")
    found["speed"] = speed(going[0])
    # The finder knows figures as large as they are alone: of one beside another thing it finds fewer than half.
    if len(things) == 1 and things[0].shape == "person":
        found["joints"] = joints_found(frames, seen.of(things[0].colour), finder)
    return found


def joints_found(frames: Tensor, person: list[Thing | None], finder: Joints) -> float:
    """Share of the joints of a person that are found where the best fitting figure has them, over all frames."""
    shares = []
    for frame, seen in zip(frames, person, strict=True):
        if seen is None or seen.fit.thing.shape != "person":
            shares.append(0.0)
            continue
        joints = shapes.joints(seen.fit.thing, 0.0)[None]
        shares.append(float(np.mean(finder.distances(frame[None], joints) <= NEAR)))
    return float(np.mean(shares))


def making(backbone: Backbone, settings: dict[str, Any]) -> Make:
    def make(case: Case) -> Tensor:
        told = {"frames": FRAMES, "seed": case.seed, **settings}
        return vedit.generate(backbone, case.scene.caption, **told).clip.frames

    return make


def ordered(found: list[Figures]) -> list[float]:
    """Of each straight scene, whether it goes slower slowly, and faster fast."""
    speeds: dict[int, dict[str, float]] = {}
    for each in found:
        if each["kind"] == "straight":
            speeds.setdefault(each["seed"], {})[each["pace"]] = each["speed"]
    return [float(each["slowly"] < each["plain"] < each["fast"]) for each in speeds.values()]


def tables(found: dict[str, list[Figures]]) -> None:
    """All that was found, by ways of making."""
    rows = []
    for title, every in found.items():
        for kind in KINDS:
            some = [each for each in every if each["kind"] == kind]
            rows.append([f"{title}: {kind}", str(len(some)), *shares(some)])
        rows.append([f"{title}: all", str(len(every)), *shares(every)])
    header = ["", "clips", "moves as told", "ground", "objects", "shape", "every attribute", "whole clips", "broken"]
    show("What clips of words show", header, rows)
    rows = []
    for title, every in found.items():
        values = {name: [each.get(name, float("nan")) for each in every] for name in NUMBERS}
        rows.append([title, percent(ordered(every)), *(how(values[name]) for name, how in NUMBERS.items())])
    header = ["", "paces in order", "still: drift px", "camera pans", "joints", "change of shape", "longest leap px"]
    show("How they stay themselves", header, rows)


NUMBERS: dict[str, Callable[[list[float]], str]] = {
    "still": figure, "pans": percent, "joints": percent, "change": lambda values: figure(values, 3), "leap": figure,
}  # fmt: skip


def shares(found: list[Figures]) -> list[str]:
    names = ("moves", "ground", "objects", "shape", "all", "whole clip", "broken")
    return [percent([each[name] for each in found]) for name in names]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--share", type=float, default=1.0, help="of the 256 captions")
    parser.add_argument("--first", type=int, default=FIRST, help="seed of the first scene")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the clips")
    parser.add_argument("--only-made", action="store_true", help="not the captions' own clips beside them")
    parser.add_argument("--save", type=Path, help="write all figures (.json)")
    told = parser.parse_args()
    backbone, judge, finder = vedit.load_backbone(told.model), load_judge(), load_joints()
    settings = {key: yaml.safe_load(value) for key, _, value in (each.partition("=") for each in told.set)}
    ways: dict[str, Make] = {"made": making(backbone, settings)}
    if not told.only_made:
        ways["exact, through the VAE"] = lambda case: backbone.decode(backbone.encode(exact(case)))
    found: dict[str, list[Figures]] = {title: [] for title in ways}
    every = cases(told.share, told.first)
    for number, case in enumerate(every):
        for title, make in ways.items():
            pace = case.scene.objects[0].pace
            figures = measure(make(case), case, judge, finder)
            found[title].append({"kind": case.kind, "seed": case.seed, "pace": pace, **figures})
        if number % 16 == 15:
            so_far = ", ".join(f"{k} {interval([each[k] for each in found['made']])[0]:.2f}" for k in ("moves", "all"))
            print(f"{number + 1} of {len(every)}: {so_far}", flush=True)
    tables(found)
    if told.save is not None:
        record(told.save, found)


if __name__ == "__main__":
    main()
