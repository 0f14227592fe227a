"""How a camera over a picture moves, measured back: ``python -m benchmarks.camera_accuracy``.

Held-out pictures of the world are set in motion by `vedit animate` with nothing but a camera in the strokes file: each
is panned, enlarged or made smaller, and turned. The last of the finished frames is registered with the first, and what
is found is compared with what was asked; the same is done with what was cut and dragged, before any model saw it.
Brackets are 95 % bootstrap intervals.
"""

from __future__ import annotations

import argparse
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from torch import Tensor

import vedit
import world
from benchmarks.record import record
from benchmarks.table import figure, percent, show
from vedit.config.groups import NO_MOTION
from vedit.sheet import Row, sheet_of
from world import SIZE

FIRST = 975_000
"""Seed of the first picture."""

FRAMES = 16
RATE = Fraction(8)

KINDS = ("pan", "zoom", "turn")
PAN, ZOOM, TURN = (8.0, 24.0), (1.15, 1.4), (5.0, 20.0)
"""Least and most of each: pixels, times (or one by it), degrees."""

RIM = 4
"""Pixels along the edge of a frame that are not compared, where the next has lost them or has new ones."""

STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 100, 1e-5)

WITHIN = 0.1
"""Of what is asked, by which a camera may miss it to count as right."""


def asked_of(kind: str, seed: int) -> dict[str, Any]:
    """A camera of a kind, in the strokes file's terms."""
    chance = np.random.default_rng([44, seed])
    if kind == "pan":
        angle, length = chance.uniform(0, 2 * np.pi), chance.uniform(*PAN)
        return {"pan": [float(length * np.cos(angle)), float(length * np.sin(angle))]}
    if kind == "zoom":
        return {"zoom": float(chance.uniform(*ZOOM) ** chance.choice([-1, 1]))}
    return {"turn": float(chance.uniform(*TURN) * chance.choice([-1, 1]))}


def registered(frames: Tensor) -> NDArray[np.float64]:
    """The affine map (2, 3) by which the first of the frames (F, 3, H, W) has come to lie as the last does.

    Each is aligned with the next, and, since what these miss adds up, the first with the last from there on.

    Source: Evangelidis & Psarakis 2008 (enhanced correlation), in OpenCV.
    """
    grey = frames.mean(1).numpy().astype(np.float32)
    total = np.eye(3)
    for before, after in pairwise(grey):
        total = np.vstack([_aligned(before, after, np.eye(2, 3)), [0, 0, 1]]) @ total
    return _aligned(grey[0], grey[-1], total[:2])


def _aligned(one: NDArray[np.float32], other: NDArray[np.float32], guess: NDArray[np.float64]) -> NDArray[np.float64]:
    inside = np.zeros(other.shape, np.uint8)
    inside[RIM:-RIM, RIM:-RIM] = 1
    _, found = cv2.findTransformECC(one, other, guess.astype(np.float32), cv2.MOTION_AFFINE, STOP, inside, 3)
    return np.asarray(found, dtype=np.float64)


def found_of(kind: str, camera: dict[str, Any], total: NDArray[np.float64]) -> float:
    """How much of the camera that was asked for is found: 1 is right."""
    linear, middle = total[:2, :2], np.array([(SIZE - 1) / 2, (SIZE - 1) / 2, 1])
    if kind == "pan":
        asked = np.array(camera["pan"])
        return float(1 - np.linalg.norm(total @ middle - middle[:2] - asked) / np.linalg.norm(asked))
    if kind == "zoom":
        return float((np.sqrt(np.linalg.det(linear)) - 1) / (camera["zoom"] - 1))
    return float(np.degrees(np.arctan2(linear[1, 0] - linear[0, 1], linear[0, 0] + linear[1, 1])) / camera["turn"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--pictures", type=int, default=14, help="for each kind of camera")
    parser.add_argument("--first", type=int, default=FIRST, help="seed of the first picture")
    parser.add_argument("--sheets", type=Path, help="folder for a contact sheet of each clip")
    parser.add_argument("--save", type=Path, help="also write every clip's figures as JSON")
    told = parser.parse_args()
    backbone = vedit.load_backbone(told.model, motion_adapter=NO_MOTION)
    found: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    with TemporaryDirectory() as name:
        path = Path(name) / "camera.yaml"
        for number, kind in ((number, kind) for number in range(told.pictures) for kind in KINDS):
            scene = world.sample_scene(told.first + number, "held_out")
            picture = torch.from_numpy(world.draw_frame(scene, 0, 0.0)[0].copy()).float().clamp(0, 1)
            camera = asked_of(kind, told.first + number)
            path.write_text(yaml.safe_dump({"version": 1, "size": [SIZE, SIZE], "camera": camera}), encoding="utf-8")
            result = vedit.animate(
                backbone, vedit.Clip(picture[None], RATE), prompt=scene.caption, frames=FRAMES, seed=number,
                motion_strokes=path,
            )  # fmt: skip
            of_camera, dragged = (
                found_of(kind, camera, registered(each.frames)) for each in (result.clip, result.crude)
            )
            right = float(abs(of_camera - 1) <= WITHIN)
            found[kind].append({"found": of_camera, "dragged": dragged, "right": right})
            print(kind, camera, f"{of_camera:.3f}", f"{dragged:.3f}", sep=" | ", flush=True)
            if told.sheets is not None:
                told.sheets.mkdir(parents=True, exist_ok=True)
                rows = [Row("crude", result.crude), Row("result", result.clip)]
                sheet_of(rows, told.sheets / f"{number:03}-{kind}.png", columns=6, overwrite=True)
    if told.save is not None:
        record(told.save, found)
    lines = [
        [
            kind,
            str(len(every)),
            figure([each["found"] for each in every], 3),
            percent([each["right"] for each in every]),
        ]
        for kind, every in found.items()
    ]
    show("Cameras, measured back", ["", "clips", "of what was asked", f"within {WITHIN:.0%}"], lines)


if __name__ == "__main__":
    main()
