"""Things of a clip that are given other ways."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor

from tests.motion.making import SIZE, drawn, line, still
from vedit.flow import Flow
from vedit.motion.moving import CAMERA_STAYS, move_things
from vedit.motion.strokes.reading import checked


def going_right(frames: int = 3, step: int = 6) -> tuple[Tensor, Flow]:
    """A red square that goes to the right by 6 pixels a frame, and the exact flow of its clip."""
    clip = torch.full((frames, 3, *SIZE), 0.5)
    forward, backward = torch.zeros(frames - 1, 2, *SIZE), torch.zeros(frames - 1, 2, *SIZE)
    for index in range(frames):
        left = 8 + index * step
        clip[index, :, 16:32, left : left + 16] = torch.tensor([0.9, 0.1, 0.1])[:, None, None]
        if index < frames - 1:
            forward[index, 0, 16:32, left : left + 16] = step
            backward[index, 0, 16:32, left + step : left + step + 16] = -step
    hidden = torch.zeros(frames - 1, *SIZE, dtype=torch.bool)
    return clip, Flow(forward, backward, hidden, hidden)


def test_a_thing_goes_its_new_way_and_not_its_own() -> None:
    clip, flow = going_right()
    moved = move_things(clip, flow, drawn(line((15.5, 23.5), (15.5, 33.5), 3)))
    red = (moved.frames[2, 0] - moved.frames[2, 1]) > 0.4
    rows, columns = red.nonzero().float().unbind(1)
    assert abs(float(columns.mean()) - 15.5) < 1
    assert abs(float(rows.mean()) - 33.5) < 1
    assert moved.changed[2][24, 28], "where it was in the clip"
    assert not moved.changed[2][:, 50:].any()
    assert torch.equal(moved.frames[2][:, ~moved.changed[2]], clip[2][:, ~moved.changed[2]])


def test_on_its_own_way_nothing_changes() -> None:
    clip, flow = going_right()
    moved = move_things(clip, flow, drawn(line((15.5, 23.5), (27.5, 23.5), 3)))
    assert torch.equal(moved.frames, clip)
    assert not moved.changed.any()


def test_a_mask_goes_with_its_thing() -> None:
    clip, flow = going_right()
    inside = torch.zeros(SIZE, dtype=torch.bool)
    inside[16:32, 8:24] = True
    moved = move_things(clip, flow, drawn(line((15.5, 23.5), (15.5, 33.5), 3), masks=(inside,)))
    assert (moved.frames[2, 0, 30:38, 10:20] > 0.8).all()


def test_a_camera_is_told_to_have_no_effect() -> None:
    clip, flow = going_right()
    camera = still(3)
    camera[2, 0, 2] = 9.0
    assert CAMERA_STAYS in move_things(clip, flow, drawn(line((16, 24), (16, 24), 3), camera=camera)).notes


def test_what_sways_does_so_in_a_clip_too() -> None:
    clip, flow = going_right(4, step=0)
    sway = [{"mask": "box:8,16,16,16", "frequency": 1, "amplitude": 5, "wave": "none"}]
    file = checked({"version": 1, "size": [64, 48], "sway": sway}, Path("s.yaml"))
    moved = move_things(clip, flow, file.at(SIZE, 4, Fraction(4)))
    assert torch.equal(moved.frames[0], clip[0])
    red = (moved.frames[1, 0] - moved.frames[1, 1]) > 0.4
    assert abs(float(red.nonzero()[:, 1].float().mean()) - 20.5) < 1
    assert torch.equal(moved.frames[1][:, :, 40:], clip[1][:, :, 40:])
