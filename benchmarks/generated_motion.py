"""Motion that nobody draws: ``python -m benchmarks.generated_motion``.

Three tables, all over held-out scenes of the world, judged in the finished clips, or with ``--crude`` in what was cut
and dragged. Swaying: whether a thing goes to and fro as often and as far as it is asked to, whether a loop's seam is
like any other frame, and whether its amplitude follows a sound's loudness. Borrowed motion: how the way of a picture's
thing agrees with that of the clip's. Words: whether a thing goes where the prompt says, and is still what it was in the
last frame. Brackets are 95 % bootstrap intervals.
"""

from __future__ import annotations

import argparse
from fractions import Fraction
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor

import vedit
import world
from benchmarks.held_out import decibels
from benchmarks.judge import Judge, load_judge
from benchmarks.record import record
from benchmarks.table import figure, percent, show
from vedit.backbone.model import Backbone
from vedit.clip.audio import Audio
from vedit.config.groups import NO_MOTION
from vedit.jobs.animate import AnimateResult
from world import SIZE, Rendered
from world.paths import DIRECTIONS, UNIT

FRAMES, SWAYING_FRAMES = 16, 32
RATE = Fraction(8)

FIRST = 970_000
"""Seed of the first scene that sways; those of borrowed motion and of words begin thousands behind it."""

DONORS = 1000
"""How far behind the pictures' seeds those of the clips are whose motion they borrow."""

FREQUENCIES = (0.5, 1.0, 1.5)
"""Of swaying, each a whole number of times in the clip."""

AMPLITUDE = 8.0
"""Pixels to either side."""

SOUND_RATE = 16_000

MARGIN = 12.0
"""Pixels from the picture's edge that a thing's centre keeps, or the case is left out."""

EVERYWHERE = torch.ones(1, 1, SIZE, SIZE)

LEAST = 6.0
"""Pixels that a thing has to go for its direction to count as told."""


def scene(seed: int, frames: int, **asked: Any) -> Rendered:
    """A held-out scene of one thing, no figure: what moves in itself has no one motion."""
    found = world.sample_clip(seed, "held_out", frames=frames, **asked)
    if found.objects[0].shape == "person":
        found = found.changed(shape="star")
    return world.render(found, frames)


def picture_of(exact: Rendered) -> Tensor:
    return torch.from_numpy(exact.frames[0]).float().clamp(0, 1)


def animated(
    backbone: Backbone, picture: Tensor, crude: bool, settings: dict[str, Any], **told: Any
) -> tuple[AnimateResult, Tensor]:
    """What was made, and the frames that are judged."""
    result = vedit.animate(backbone, vedit.Clip(picture[None], RATE), **{**told, **settings})
    return result, result.crude.frames if crude else result.clip.frames


def sway_figures(frames: Tensor, frequency: float, judge: Judge) -> dict[str, float]:
    """How a thing has swayed across, as the judge sees its centre."""
    track = judge.see(frames).centre[:, 0].double().numpy()
    spectrum = np.abs(np.fft.rfft(track - track.mean())) * 2 / len(track)
    asked = round(frequency * len(track) / float(RATE))
    steps = [decibels(frames[i, None], frames[i - 1, None], EVERYWHERE) for i in range(1, len(frames))]
    seam = decibels(frames[:1], frames[-1:], EVERYWHERE)
    return {
        "right": float(int(spectrum.argmax()) == asked),
        "amplitude": float(spectrum[asked] / AMPLITUDE),
        "seam": seam - min(steps),
    }


def heard(folder: Path, seed: int) -> Path:
    """A noise that swells and ebbs, as a file."""
    chance = np.random.default_rng(seed)
    seconds = SWAYING_FRAMES / float(RATE)
    times = np.arange(int(seconds * SOUND_RATE)) / SOUND_RATE
    level = 0.55 + 0.45 * np.sin(2 * np.pi * times / seconds + chance.uniform(0, 2 * np.pi))
    samples = torch.from_numpy((0.3 * level * chance.standard_normal(len(times))).clip(-1, 1)).float()[None]
    blank = torch.zeros(SWAYING_FRAMES, 3, 16, 16)
    path = folder / "swell.mp4"
    vedit.Clip(blank, RATE, Audio(samples, SOUND_RATE)).save(path, overwrite=True)
    return path


def swaying(
    backbone: Backbone, numbers: range, crude: bool, folder: Path, settings: dict[str, Any]
) -> list[dict[str, float]]:
    """The figures of pictures of these seeds."""
    judge, found = load_judge(), []
    for seed in numbers:
        exact = scene(seed, 2)
        thing, frequency = exact.scene.objects[0], FREQUENCIES[seed % 3]
        x, y = thing.position(0)
        if not AMPLITUDE + MARGIN + thing.radius < x < SIZE - AMPLITUDE - MARGIN - thing.radius:
            continue
        sway = {
            "point": [x, y], "radius": float(thing.radius), "frequency": frequency, "amplitude": AMPLITUDE,
            "wave": "none",
        }  # fmt: skip
        told = {"prompt": exact.scene.caption, "frames": SWAYING_FRAMES, "seed": seed, "motion_words": "none"}
        path = folder / "sway.yaml"
        path.write_text(yaml.safe_dump({"version": 1, "size": [SIZE, SIZE], "loop": True, "sway": [sway]}))
        _, frames = animated(backbone, picture_of(exact), crude, settings, motion_strokes=path, **told)
        row = sway_figures(frames, frequency, judge)
        sound = heard(folder, seed)
        louder = {**sway, "frequency": 2.0, "amplitude": f"{1.5 * AMPLITUDE}*loudness"}
        path.write_text(yaml.safe_dump({"version": 1, "size": [SIZE, SIZE], "sway": [louder]}))
        result, frames = animated(
            backbone, picture_of(exact), crude, settings, motion_strokes=path, audio=sound, audio_scale=0, **told
        )
        row["loudness"] = _followed(frames, judge, result)
        found.append(row)
    return found


def _followed(frames: Tensor, judge: Judge, result: AnimateResult) -> float:
    """The correlation of how far a thing is seen to go to either side, twice a second, with how loud it was."""
    from vedit.audio import extract_features

    assert result.clip.audio is not None
    loud = extract_features(result.clip.audio, RATE, len(frames)).features["loudness"]
    track = judge.see(frames).centre[:, 0].double().numpy()
    sides = np.arange(1, len(frames), 2)  # at two times a second, of eight frames, every other one is at a side
    return float(np.corrcoef(np.abs(track[sides] - track[sides[0] - 1]), np.asarray(loud)[sides])[0, 1])


def borrowed(
    backbone: Backbone, numbers: range, crude: bool, folder: Path, settings: dict[str, Any]
) -> list[dict[str, float]]:
    """The same of borrowed motion: each clip's motion on another picture, as many as there are numbers."""
    judge, found, donors = load_judge(), [], count(numbers.start + DONORS)
    for seed in count(numbers.start):
        if len(found) == len(numbers):
            break
        exact = scene(seed, 2)
        donor = scene(next(donors), FRAMES)
        way = donor.positions[:, 0] - donor.positions[0, 0]
        asked = exact.positions[0, 0] + way
        if donor.scene.objects[0].path == "still" or asked.min() < MARGIN or asked.max() > SIZE - 1 - MARGIN:
            continue
        path = folder / "donor.mp4"
        vedit.Clip(torch.from_numpy(donor.frames).float().clamp(0, 1), RATE).save(path, crf=8, overwrite=True)
        told = {"prompt": exact.scene.caption, "frames": FRAMES, "seed": seed}
        _, frames = animated(backbone, picture_of(exact), crude, settings, motion_of=path, **told)
        seen = judge.see(frames).centre.double().numpy()
        gone = seen - seen[0]
        last, thing = judge.see(frames[-1:]), exact.scene.objects[0]
        found.append(
            {
                "way": float(np.corrcoef(gone.ravel(), way.ravel())[0, 1]),
                "direction": _cosine(gone[-1], way[-1]),
                "speed": float(np.sqrt(np.square(gone).sum(1).mean())),
                "speed of the clip": float(np.sqrt(np.square(way).sum(1).mean())),
                "slope": float((gone * way).sum() / max((way**2).sum(), 1.0)),
                "right": float(np.mean([last.shape[0] == thing.shape, last.colour[0] == thing.colour])),
            }
        )
    return found


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
    lengths = np.linalg.norm(one) * np.linalg.norm(other)
    return float(one @ other / lengths) if lengths > 1 else float("nan")


def words(backbone: Backbone, numbers: range, crude: bool, settings: dict[str, Any]) -> list[dict[str, float]]:
    """The same of words: each picture asked to move to each side that has room for it."""
    judge, found = load_judge(), []
    for seed in numbers:
        exact = scene(seed, 2, path="straight", pace="plain")
        thing = exact.scene.objects[0]
        for direction in DIRECTIONS:
            asked = np.add(thing.position(0), np.multiply(UNIT[direction], 15 * thing.speed))
            if asked.min() < MARGIN + thing.radius or asked.max() > SIZE - 1 - MARGIN - thing.radius:
                continue
            prompt = exact.scene.changed(direction=direction).caption
            told = {"prompt": prompt, "frames": FRAMES, "seed": seed}
            _, frames = animated(backbone, picture_of(exact), crude, settings, **told)
            seen = judge.see(frames).centre
            gone = (seen[-1] - seen[0]).double().numpy()
            last = judge.see(frames[-1:])
            along = float(gone @ np.array(UNIT[direction], dtype=float))
            told_apart = along > LEAST and along > 2 * abs(float(gone @ np.array(UNIT[direction][::-1], dtype=float)))
            found.append(
                {
                    "direction": float(told_apart),
                    "speed": along / (15 * thing.speed),
                    "right": float(np.mean([last.shape[0] == thing.shape, last.colour[0] == thing.colour])),
                }
            )
    return found


def table(title: str, found: list[dict[str, float]], columns: dict[str, str]) -> None:
    """A row of figures, each a share or a number as its column says: "%" or digits."""
    cells = []
    for name, how in columns.items():
        values = [row[name] for row in found]
        cells.append(percent(values) if how == "%" else figure(values, int(how)))
    show(title, ["clips", *columns], [[str(len(found)), *cells]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=20, help="of each kind")
    parser.add_argument("--first", type=int, default=FIRST, help="seed of the first scene")
    parser.add_argument("--model", default="mini")
    parser.add_argument("--only", choices=["sway", "borrowed", "words"], help="one of the tables")
    parser.add_argument("--crude", action="store_true", help="judge what was cut and dragged")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the clips")
    parser.add_argument("--save", type=Path, help="write all figures (.json)")
    told = parser.parse_args()
    backbone = vedit.load_backbone(told.model, motion_adapter=NO_MOTION)  # as the command does
    settings = {key: yaml.safe_load(value) for key, _, value in (each.partition("=") for each in told.set)}
    figures: dict[str, list[dict[str, float]]] = {}

    def numbers(behind: int) -> range:
        return range(told.first + behind, told.first + behind + told.scenes)

    with TemporaryDirectory() as name:
        folder, crude = Path(name), told.crude
        if told.only in (None, "sway"):
            figures["sway"] = swaying(backbone, numbers(0), crude, folder, settings)
            columns = {"right": "%", "amplitude": "2", "seam": "1", "loudness": "2"}
            table("Swaying: frequency, amplitude (x asked), seam against the worst step (dB), loudness (r)",
                  figures["sway"], columns)  # fmt: skip
        if told.only in (None, "borrowed"):
            figures["borrowed"] = found = borrowed(backbone, numbers(1000), crude, folder, settings)
            table("Borrowed motion: correlation of the ways, cosine of directions, slope, attributes",
                  found, {"way": "2", "direction": "2", "slope": "2", "right": "%"})  # fmt: skip
            speeds = [[row[key] for row in found] for key in ("speed", "speed of the clip")]
            print(f"speeds correlate by {np.corrcoef(speeds)[0, 1]:.2f}")
        if told.only in (None, "words") and (backbone.notes.motion_words or "motion_words" in settings):
            figures["words"] = words(backbone, numbers(3000), crude, settings)
            table("Words: direction, way gone (x asked), attributes in the last frame",
                  figures["words"], {"direction": "%", "speed": "2", "right": "%"})  # fmt: skip
    if told.save is not None:
        record(told.save, figures)


if __name__ == "__main__":
    main()
