"""Things of a clip that are given other ways."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from torch import Tensor

import world
from tests.motion.making import SIZE, drawn, line, still
from vedit.clip.sizes import resize
from vedit.flow import Flow, centres, estimate_flow, within
from vedit.motion.inverse import inverse, mapped
from vedit.motion.moving import Moved, move_things
from vedit.motion.strokes.reading import checked
from vedit.motion.warp import background
from vedit.motion.ways import fitted


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


def test_what_the_flow_misses_of_a_thing_does_not_add_up() -> None:
    clip, flow = going_right(frames=8, step=3)
    short = replace(flow, forward=0.7 * flow.forward, backward=0.7 * flow.backward)
    moved = move_things(clip, short, drawn(line((15.5, 23.5), (15.5, 33.5), 8)))
    red = (moved.frames[7, 0] - moved.frames[7, 1]) > 0.4
    rows, columns = red.nonzero().float().unbind(1)
    assert abs(float(columns.mean()) - 15.5) < 1, "6.3 pixels, where the flow alone is followed"
    assert abs(float(rows.mean()) - 33.5) < 1


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


SCENE = world.Scene(
    (world.Object("circle", "red", "right", start=(30.0, 40.0), speed=4.0, radius=14.0),), "brick", texture=1000
)


@dataclass(frozen=True)
class Shot:
    """A clip of the world whose circle goes to the right, and the same without it."""

    frames: Tensor
    ground: Tensor
    circle: Tensor
    """(H, W) bool, where it is in the first frame."""


def shot(camera: tuple[float, float] = (0.0, 0.0), frames: int = 12) -> Shot:
    scene = replace(SCENE, camera=camera)
    rendered, bare = world.render(scene, frames), world.render(replace(scene, objects=()), frames)
    circle = torch.from_numpy(rendered.masks[0, 0]) > 0.3
    return Shot(torch.from_numpy(rendered.frames), torch.from_numpy(bare.frames), circle)


def decibels(one: Tensor, other: Tensor) -> float:
    return float(-10 * (one - other).square().mean().clamp(min=1e-12).log10())


def moved_shot(taken: Shot, end: tuple[float, float], camera: Tensor | None = None) -> Moved:
    """The circle goes elsewhere."""
    way = line((30, 40), end, len(taken.frames))
    strokes = drawn(way, size=(128, 128), masks=(taken.circle,), camera=camera)
    return move_things(taken.frames, estimate_flow(taken.frames), strokes)


@pytest.mark.parametrize("camera", [(0.0, 0.0), (1.3, -0.7)])
def test_what_was_behind_a_thing_is_taken_from_the_frames_that_show_it(camera: tuple[float, float]) -> None:
    taken = shot(camera)
    moved = moved_shot(taken, (30, 90))
    filled = (moved.changed & ~moved.unknown)[8]
    assert int(filled.sum()) > 500, "the circle has gone far enough for all of the ground behind it to be seen"
    known = decibels(moved.frames[8][:, filled], taken.ground[8][:, filled])
    guessed = background(taken.frames[8], moved.changed[8].float())
    assert known > 36
    assert known > decibels(guessed[:, filled], taken.ground[8][:, filled]) + 12
    kept = ~moved.changed
    assert torch.equal(moved.frames.transpose(0, 1)[:, kept], taken.frames.transpose(0, 1)[:, kept])


def test_what_no_frame_shows_is_left_to_the_model() -> None:
    taken = shot()
    moved = moved_shot(replace(taken, frames=taken.frames[:1].repeat(4, 1, 1, 1)), (30, 90))
    assert moved.unknown[3][taken.circle].all()
    assert not moved.unknown[3][:, 80:].any()


@pytest.mark.parametrize(
    "asked", [{"pan": [12, -6]}, {"zoom": 1.25}, {"turn": 10}, {"pan": [-6, 4], "zoom": 0.85, "turn": -8}]
)
def test_the_camera_of_strokes_moves_a_clip(asked: dict[str, object]) -> None:
    taken = shot(frames=5)
    file = checked({"version": 1, "size": [128, 128], "camera": asked}, Path("s.yaml"))
    strokes = file.at((128, 128), 5, Fraction(8))
    moved = move_things(taken.frames, estimate_flow(taken.frames), strokes)
    assert torch.equal(moved.frames[0], taken.frames[0])
    pair = torch.stack([taken.frames[4], moved.frames[4]])
    pixels = centres((128, 128), (128, 128))
    there = pixels + estimate_flow(pair).forward[0].permute(1, 2, 0)
    seen = within(mapped(strokes.camera[4], pixels), (128, 128)) & ~estimate_flow(pair).hidden[0]
    found = fitted(pixels.reshape(-1, 2), there.reshape(-1, 2), seen.flatten(), similar=True)
    assert found is not None
    wanted = mapped(strokes.camera[4], pixels) - pixels
    assert float((mapped(found, pixels) - pixels - wanted).norm(dim=-1).mean() / wanted.norm(dim=-1).mean()) < 0.1
    outside = ~within(mapped(inverse(strokes.camera[4]), pixels), (128, 128))
    assert moved.unknown[4][outside].all(), "nothing is known of what comes into view"


def test_what_the_camera_turns_to_is_taken_from_the_frames_that_show_it() -> None:
    taken = shot((4.0, 0.0), frames=6)
    camera = still(6)
    camera[1:, 0, 2] = -8.0
    moved = moved_shot(taken, (50, 40), camera)
    came = moved.changed[2] & ~moved.unknown[2]
    assert came[:, -6:].float().mean() > 0.9
    truth = world.render(replace(SCENE, objects=(), camera=(4.0, 0.0)), 6).frames[4]
    assert decibels(moved.frames[2][:, :, -7:], torch.from_numpy(truth[:, :, -7:])) > 30


def test_a_clip_of_another_size_is_moved_alike() -> None:
    taken = shot(frames=3)
    file = checked({"version": 1, "size": [128, 128], "camera": {"pan": [9, 5], "turn": 4}}, Path("s.yaml"))
    moved = move_things(taken.frames, estimate_flow(taken.frames), file.at((128, 128), 3, Fraction(8)))
    large = moved.shown(2, resize(taken.frames[2, None], (256, 256))[0])
    inside = ~moved.unknown[2]
    assert decibels(resize(large[None], (128, 128))[0][:, inside], moved.frames[2][:, inside]) > 30


def test_what_sways_does_so_in_a_clip_too() -> None:
    clip, flow = going_right(4, step=0)
    sway = [{"mask": "box:8,16,16,16", "frequency": 1, "amplitude": 5, "wave": "none"}]
    file = checked({"version": 1, "size": [64, 48], "sway": sway}, Path("s.yaml"))
    moved = move_things(clip, flow, file.at(SIZE, 4, Fraction(4)))
    assert torch.equal(moved.frames[0], clip[0])
    red = (moved.frames[1, 0] - moved.frames[1, 1]) > 0.4
    assert abs(float(red.nonzero()[:, 1].float().mean()) - 20.5) < 1
    assert torch.equal(moved.frames[1][:, :, 40:], clip[1][:, :, 40:])
