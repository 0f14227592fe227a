"""What strokes decide: ``python -m benchmarks.motion_accuracy``.

Held-out scenes of the world are set in motion from their first frame, along strokes that are the exact ways of their
things: rigid ones, walking figures, two things at once, and things under a camera that pans. Three tables. The dense
flow from frame 0 to the last, inside objects and outside, by how many strokes say it, computed and, where the model
brings a network for it, learnt, beside no motion at all and one rigid shift of each object. And the finished clips,
judged: how far things are from where their strokes lead, how much of a longer or shorter stroke they follow, what else
stays, and whether they still are what they were; made without training and, where the model brings the ControlNet
`motion`, with it, all frames together and one after the other. Brackets are 95 % bootstrap intervals.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
import torch.nn.functional as F
import yaml
from torch import Tensor

import vedit
import world
from benchmarks.held_out import decibels
from benchmarks.judge import Judge, load_judge
from benchmarks.record import record
from benchmarks.table import figure, percent, show
from vedit.config import LearntMotionSettings
from vedit.config.groups import NO_MOTION
from vedit.flow import centres, sample
from vedit.jobs.strokes import learnt_motion
from vedit.motion.dense import dense_flow
from vedit.motion.learnt.completion import FlowCompletion, load_completion
from vedit.motion.strokes import StrokesFile, read_strokes
from vedit.sheet import Row, sheet_of
from world import SIZE, Rendered

KINDS = ("rigid", "walking", "two", "camera")
RIGID: tuple[world.paths.Path, ...] = ("straight", "turning", "circling")
"""Ways of rigid things."""

FRAMES = 16
RATE = Fraction(8)
COUNTS = (0, 1, 2, 4)
FACTORS = (0.5, 1.0, 2.0)
NARROW = 0.4
"""Reach, in radii of its object, of a stroke that is drawn too small."""
PLAIN: dict[str, object] = {"motion_field": "rigid", "motion_control": "none"}
LEARNT: dict[str, dict[str, object]] = {
    "together": {"motion_control": "together"},
    "roll-out": {"motion_control": "roll_out"},
}
"""Settings of the clips that are made without training, and with it."""

JOINTS = (1, 4, 10, 13)
"""Those of a figure that strokes are drawn on, in OpenPose's order: the neck, a wrist, the ankles."""

WITHIN = 12.0
"""Pixels from the picture's edge that an object's centre keeps, or a longer stroke is left out."""


@dataclass(frozen=True)
class Case:
    """A scene whose first frame is to be set in motion.

    Attributes:
        ways: (K, F, 2) of each object's centre upon the ground of the first frame
        pan: (2,) how far the picture is moved by the last frame
    """

    kind: str
    exact: Rendered
    ways: Tensor
    pan: Tensor

    @property
    def picture(self) -> Tensor:
        return torch.from_numpy(self.exact.frames[0]).clamp(0, 1)

    def asked(self, factor: float) -> Tensor:
        """Where centres are to be seen (K, F, 2), where ways are so many times as long."""
        ways = self.ways[:, :1] + factor * (self.ways - self.ways[:, :1])
        return ways + torch.linspace(0, 1, FRAMES)[:, None] * self.pan

    def fits(self, factor: float) -> bool:
        asked = self.asked(factor)
        return bool(((asked >= WITHIN) & (asked <= SIZE - 1 - WITHIN)).all())


def cases(count: int, first: int = 960_000) -> list[Case]:
    """As many held-out scenes, of each kind in turn."""
    found = []
    for number, kind in enumerate(islice(cycle(KINDS), count), first):
        path: world.Path | None = (
            "straight" if kind != "rigid" else ("straight", "turning", "circling")[number // 4 % 3]
        )
        scene = world.sample_clip(
            number, "held_out", frames=FRAMES, objects=2 if kind == "two" else 1, path=path, pans=kind == "camera"
        )
        if kind == "walking":
            scene = scene.changed(shape="person")
        elif scene.objects[0].shape == "person":
            scene = scene.changed(shape="star")
        ways = torch.tensor([[thing.position(time) for time in range(FRAMES)] for thing in scene.objects])
        pan = -torch.tensor(scene.camera) * (FRAMES - 1)
        found.append(Case(kind, world.render(scene, FRAMES), ways.float(), pan.float()))
    return found


def strokes_of(case: Case, count: int, factor: float = 1.0, reach: float = 1.0) -> dict[str, object]:
    """A strokes file of so many strokes on each object, ``factor`` times as long as its way, of a ``reach`` in radii of
    the object."""
    strokes = []
    for which, thing in enumerate(case.exact.scene.objects):
        for start, track in _points(case, which, count):
            longer = start + factor * (track - track[0])
            strokes.append({"points": longer.tolist(), "radius": reach * float(thing.radius)})
    camera = {"pan": case.pan.tolist()}
    return {"version": 1, "size": [SIZE, SIZE], "frames": FRAMES, "strokes": strokes, "camera": camera}


def _drawings(case: Case) -> dict[str, dict[str, object]]:
    """Strokes files of which the flow is compared, by the names of their rows."""
    counted = {f"{count} strokes": strokes_of(case, count) for count in COUNTS}
    return {**counted, "1 narrow stroke": strokes_of(case, 1, reach=NARROW)}


def _points(case: Case, which: int, count: int) -> list[tuple[Tensor, Tensor]]:
    """Points on an object and their ways (F, 2): the centre and points around it, or of a figure its joints."""
    way, thing = case.ways[which], case.exact.scene.objects[which]
    if thing.shape == "person":
        joints = torch.from_numpy(case.exact.joints[:, which])  # (F, 18, 2), as seen
        joints = joints - torch.linspace(0, 1, FRAMES)[:, None, None] * case.pan
        return [(joints[0, index], joints[:, index]) for index in JOINTS[:count]]
    around = [torch.tensor(place) * 0.4 * thing.radius for place in ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (-1.0, 0.0))]
    return [(way[0] + place, way + place) for place in around[:count]]


def true_flow(case: Case) -> Tensor:
    """How far each pixel of the first frame has moved by the last (2, H, W)."""
    pixels = centres((SIZE, SIZE), (SIZE, SIZE))
    if any(thing.shape == "person" for thing in case.exact.scene.objects):
        places = pixels
        for step in torch.from_numpy(case.exact.flow):
            places = places + sample(step[None], places[None])[0].permute(1, 2, 0)
        moved = (places - pixels).permute(2, 0, 1)
    else:
        moved = case.pan[:, None, None].expand(2, SIZE, SIZE).clone()
    for which, mask in enumerate(torch.from_numpy(case.exact.masks[0]) > 0.5):
        if case.exact.scene.objects[which].shape != "person":
            asked = case.asked(1.0)[which]
            moved[:, mask] = (asked[-1] - asked[0])[:, None]
    return moved


Flows = dict[str, dict[str, list[float]]]
"""Endpoint errors in pixels, by kind and by what is told."""


def flow_tables(every: list[Case], folder: Path, network: FlowCompletion | None) -> tuple[Flows, Flows]:
    """Those inside objects, and outside, where only the camera moves anything; ``network``: one that completes flow."""
    inside, outside = Flows(), Flows()
    for case in every:
        things = torch.from_numpy(case.exact.masks[0]) > 0.5
        truth, where = true_flow(case), things.amax(0)
        ground = case.pan[:, None, None].expand_as(truth)
        shifted = torch.zeros_like(truth)
        for which, mask in enumerate(things):
            asked = case.asked(1.0)[which]
            shifted[:, mask] = (asked[-1] - asked[0])[:, None]
        moved = {"no motion": torch.zeros_like(truth), "rigid shift": torch.where(where, shifted, ground)}
        for title, strokes in _drawings(case).items():
            drawn = _written(strokes, folder).at((SIZE, SIZE), FRAMES, RATE)
            moved[title] = dense_flow(drawn, case.picture).forward[-1]
            if network is not None:
                moved[f"{title}, learnt"] = dense_flow(drawn, case.picture, network=network).forward[-1]
        for name, each in moved.items():
            for found, right, there in ((inside, truth, where), (outside, ground, ~where)):
                error = float((each - right).norm(dim=0)[there].mean())
                found.setdefault(case.kind, {}).setdefault(name, []).append(error)
    return inside, outside


def show_flows(where: str, flows: Flows) -> None:
    """One of the first two tables."""
    names = list(next(iter(flows.values())))
    rows = [[name, *(figure(each[name], 2) for each in flows.values())] for name in names]
    header = ["", *(f"{kind}, {len(each[names[0]])} scenes" for kind, each in flows.items())]
    show(f"Dense flow to the last frame: endpoint error {where} objects, px of 128", header, rows)


def _written(strokes: dict[str, object], folder: Path) -> StrokesFile:
    path = folder / "strokes.yaml"
    path.write_text(yaml.safe_dump(strokes), encoding="utf-8")
    return read_strokes(path)


def centres_seen(frames: Tensor, case: Case, judge: Judge) -> Tensor:
    """Where the judge sees objects (K, F, 2), NaN where one is not; two are told apart by their colours."""
    verdict = judge.see(frames)
    if case.kind != "two":
        return verdict.centre[None]
    tracks = [verdict.track(thing.colour) for thing in case.exact.scene.objects]
    return torch.from_numpy(np.stack(tracks)).float()


def measure(frames: Tensor, case: Case, factor: float, judge: Judge, vae: Tensor) -> dict[str, float]:
    """All that the table shows of one clip (F, 3, H, W)."""
    asked = case.asked(factor)
    seen = centres_seen(frames, case, judge)
    gaps = (seen - asked).norm(dim=-1)  # (K, F)
    along = asked[:, -1] - asked[:, 0]
    went = ((seen[:, -1] - seen[:, 0]) * along).sum(-1) / along.square().sum(-1).clamp(min=1) * factor
    last, thing = judge.see(frames[-1:]), case.exact.scene.objects[0]
    right = float(np.mean([last.shape[0] == thing.shape, last.colour[0] == thing.colour]))
    found = {
        "end": float(gaps[:, -1].nanmean()),
        "along": float(gaps.nanmean()),
        "drift": float(gaps[:, -1].nanmean() - gaps[:, 1].nanmean()) / (FRAMES - 2),
        "went": float(went.nanmean()),
        "right": right if case.kind != "two" else float("nan"),
    }
    if not case.pan.any():
        found["kept"] = decibels(frames[1:], vae.expand(FRAMES - 1, -1, -1, -1), _undrawn(case, asked))
    return found


def _undrawn(case: Case, asked: Tensor) -> Tensor:
    """Where nothing is in the first frame, nor comes to be (1, 1, H, W)."""
    pixels = centres((SIZE, SIZE), (SIZE, SIZE)).reshape(-1, 2)
    radius = torch.tensor([1.3 * thing.radius + 6 for thing in case.exact.scene.objects])
    near = torch.stack([torch.cdist(pixels, way).amin(1) < reach for way, reach in zip(asked, radius, strict=True)])
    return 1 - F.max_pool2d(near.any(0).float().view(1, 1, SIZE, SIZE), 3, 1, 1)


def clip_table(
    model: str,
    every: list[Case],
    folder: Path,
    sheets: Path | None,
    settings: dict[str, object],
    ways: dict[str, dict[str, object]],
) -> dict[str, list[dict[str, float]]]:
    """Judged clips: without strokes, and along strokes of each of the ``FACTORS`` of the true way, in all ``ways``."""
    judge, found = load_judge(), dict[str, list[dict[str, float]]]()
    backbone = vedit.load_backbone(model)
    led = vedit.load_backbone(model, motion_adapter=NO_MOTION)  # as the command does where it is told what moves
    for number, case in enumerate(every):
        vae = backbone.decode(backbone.encode(case.picture[None]))
        asked = [(each, way) for each in FACTORS if case.fits(each) for way in ways]
        for factor, way in ((0.0, ""), *asked):
            told = {"motion_words": "none", **settings, "prompt": case.exact.scene.caption}
            told |= {"frames": FRAMES, "seed": number}
            if factor:
                _written(strokes_of(case, 1, factor), folder)
                told |= {**ways[way], "motion_strokes": folder / "strokes.yaml"}
            result = vedit.animate(led if factor else backbone, vedit.Clip(case.picture[None], RATE), **told)  # type: ignore[arg-type]
            row = "no strokes" if not factor else f"{way}, {factor:g} x"
            found.setdefault(row, []).append(measure(result.clip.frames, case, factor or 1.0, judge, vae))
            if sheets is not None and factor in (0.0, 1.0):
                exact = vedit.Clip(torch.from_numpy(case.exact.frames).clamp(0, 1), RATE)
                rows = [Row("exact", exact), Row("crude", result.crude), Row("result", result.clip)]
                name = f"{number:03}-{case.kind}-{way.replace(' ', '_') or 'none'}.png"
                sheet_of(rows, sheets / name, columns=6, overwrite=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=40)
    parser.add_argument("--first", type=int, default=960_000, help="seed of the first scene")
    parser.add_argument("--model", default="mini")
    parser.add_argument("--motion-model", type=Path, help="what `training.strokes` wrote; by default the model's own")
    parser.add_argument("--flow-only", action="store_true", help="leave the clips out")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the clips")
    parser.add_argument("--sheets", type=Path, help="folder for a contact sheet of each clip")
    parser.add_argument("--save", type=Path, help="write all figures (.json)")
    told = parser.parse_args()
    torch.manual_seed(0)
    every = cases(told.scenes, told.first)
    backbone = vedit.load_backbone(told.model)
    learnt = learnt_motion(LearntMotionSettings(motion_model=told.motion_model), backbone.outline())
    with TemporaryDirectory() as name:
        network = None if learnt.completion is None else load_completion(learnt.completion.path)
        inside, outside = flow_tables(every, Path(name), network)
        show_flows("inside", inside)
        show_flows("outside", outside)
        clips = dict[str, list[dict[str, float]]]()
        if not told.flow_only:
            if told.sheets is not None:
                told.sheets.mkdir(parents=True, exist_ok=True)
            settings = {key: yaml.safe_load(value) for key, _, value in (each.partition("=") for each in told.set)}
            if told.motion_model is not None:
                settings["motion_model"] = told.motion_model
            ways = {"without training": PLAIN, **({} if learnt.control is None else LEARNT)}
            clips = clip_table(told.model, every, Path(name), told.sheets, settings, ways)
            show_clips(clips)
    if told.save is not None:
        record(told.save, {"flow": inside, "flow outside": outside, "clips": clips})


def show_clips(clips: dict[str, list[dict[str, float]]]) -> None:
    """The last table."""
    rows = []
    ways = ("without training", *LEARNT)
    names = ("no strokes", *(f"{way}, {factor:g} x" for factor in FACTORS for way in ways))
    for name, every in ((each, clips[each]) for each in names if each in clips):
        columns = {
            key: [each.get(key, float("nan")) for each in every]
            for key in ("end", "along", "drift", "went", "kept", "right")
        }
        figures = [figure(columns["end"]), figure(columns["along"]), figure(columns["drift"], 2)]
        figures += [figure(columns["went"], 2), figure(columns["kept"]), percent(columns["right"])]
        rows.append([name, str(len(every)), *figures])
    header = ["", "clips", "end px", "along px", "drift px a frame", "way gone x", "undrawn dB", "attributes right"]
    show("Clips, judged", header, rows)


if __name__ == "__main__":
    main()
