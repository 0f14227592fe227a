"""A picture that moves frame by frame."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor

from tests.motion.making import SIZE, drawn, line, square, still
from vedit.motion.dense import dense_flow
from vedit.motion.roll_out import RollOut
from vedit.motion.strokes import Drawn
from vedit.motion.strokes.reading import checked


def rolling(picture: Tensor, strokes: Drawn, *, held: bool = True) -> RollOut:
    return RollOut(picture, dense_flow(strokes, picture), strokes, held=held)


def rolled(roll: RollOut, frames: int) -> list[Tensor]:
    """All frames, each made of what is known of it alone."""
    made = [roll.picture]
    for _ in range(frames - 1):
        made.append(roll.step(made[-1]).crude)
    return made


def middle(frame: Tensor) -> tuple[float, float]:
    """The centre (x, y) of what is red."""
    rows, columns = ((frame[0] - frame[1]) > 0.4).nonzero().float().unbind(1)
    return float(columns.mean()), float(rows.mean())


def test_step_by_step_a_thing_comes_to_where_its_stroke_ends() -> None:
    picture, inside = square()
    roll = rolling(picture, drawn(line((16, 24), (40, 20), 5), masks=(inside,)))
    made = rolled(roll, 5)
    x, y = middle(made[4])
    assert abs(x - 39.5) < 0.6
    assert abs(y - 19.5) < 0.6
    assert (roll.points[0] - torch.tensor([40.0, 20.0])).norm() < 0.05
    assert (made[4][:, 30:, 40:] - picture[:, 30:, 40:]).abs().max() < 1e-4


def test_pictures_are_moved_once_and_not_again_and_again() -> None:
    generator = torch.Generator().manual_seed(0)
    picture, inside = torch.rand(3, *SIZE, generator=generator), square()[1]
    made = rolled(rolling(picture, drawn(line((16, 24), (36, 24), 9), masks=(inside,))), 9)
    assert (made[8][:, 18:30, 30:42] - picture[:, 18:30, 10:22]).abs().mean() < 1e-3


def test_what_a_step_has_missed_the_next_makes_up_for() -> None:
    picture, inside = square()
    strokes = drawn(line((16, 24), (28, 24), 4), masks=(inside,))
    roll = rolling(picture, strokes, held=False)
    roll.points = roll.points - torch.tensor([[2.0, 0.0]])
    roll.step(picture)
    assert abs(float(roll.points[0, 0]) - 20) < 0.1
    lost = rolling(picture, strokes, held=False)
    lost.points = lost.points - torch.tensor([[8.0, 0.0]])
    lost.step(picture)
    assert abs(float(lost.points[0, 0]) - 16) < 0.1, "but not by more than twice its step"


def test_the_camera_goes_on_from_where_it_was() -> None:
    picture, inside = square()
    camera = still(3)
    camera[:, 0, 2] = torch.tensor([0.0, 5.0, 10.0])
    made = rolled(rolling(picture, drawn(line((16, 24), (16, 30), 3), masks=(inside,), camera=camera)), 3)
    x, y = middle(made[2])
    assert abs(x - 25.5) < 0.6
    assert abs(y - 29.5) < 0.6


def test_what_sways_does_so_upon_it() -> None:
    picture, _ = square()
    sway = {"mask": "box:8,16,16,16", "frequency": 1, "amplitude": 4, "wave": "none"}
    file = checked({"version": 1, "size": [64, 48], "sway": [sway]}, Path("s.yaml"))
    roll = rolling(picture, file.at(SIZE, 3, Fraction(8), None))
    step = roll.step(picture)
    x, _ = middle(roll.step(step.crude).crude)
    assert abs(x - 15.5 - 4) < 0.6
    assert abs(float(step.backward[0, 18:30, 14:22].mean()) + 2.83) < 0.1
