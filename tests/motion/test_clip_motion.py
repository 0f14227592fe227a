"""What moves in a clip, and put onto another picture."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

import world
from vedit.flow import centres
from vedit.motion.borrowed import borrowed
from vedit.motion.clip_motion import ClipMotion, motion_of
from vedit.motion.cut_out import cut_out, main_thing


def textured(height: int, width: int) -> Tensor:
    """A ground (3, H, W) that flow can be seen on."""
    noise = torch.rand(3, height // 4, width // 4, generator=torch.Generator().manual_seed(3))
    return torch.nn.functional.interpolate(noise[None], size=(height, width), mode="bicubic")[0].clamp(0, 1)


def scene(seed: int = 5, pans: bool = False, **values: str) -> world.Rendered:
    drawn = world.sample_clip(seed, frames=12, path="straight", pace="plain", pans=pans).changed(shape="star", **values)
    return world.render(drawn, 12)


@pytest.mark.parametrize("direction", ["left", "up"])
def test_a_thing_goes_as_far_as_it_does(direction: str) -> None:
    exact = scene(seed=5 if direction == "left" else 8)
    found = motion_of(torch.from_numpy(exact.frames).float().clamp(0, 1))
    way = exact.positions[:, 0] - exact.positions[0, 0]
    assert found.has_thing
    assert np.abs(found.camera - np.eye(2, 3)).max() < 1e-6
    assert np.linalg.norm(found.way[-1] - way[-1]) < 0.03 * np.linalg.norm(way[-1])
    assert np.corrcoef(np.concatenate([found.way.T.ravel(), way.T.ravel()]).reshape(2, -1))[0, 1] > 0.95


def test_a_camera_is_parted_from_the_thing_that_moves_before_it() -> None:
    exact = scene(seed=11, pans=True)
    found = motion_of(torch.from_numpy(exact.frames).float().clamp(0, 1))
    pan = -np.array(exact.scene.camera) * 11
    middle = np.array([63.5, 63.5])
    seen = found.camera[-1] @ np.append(middle, 1) - middle
    assert np.linalg.norm(seen - pan) < 0.15 * np.linalg.norm(pan)
    thing = exact.scene.objects[0]
    way = np.subtract(thing.position(11), thing.position(0))
    assert np.linalg.norm(found.way[-1] - way) < 0.1 * np.linalg.norm(way)


def test_what_turns_and_grows_is_seen_to() -> None:
    ground, inside = textured(96, 96), textured(40, 40)
    frames = []
    for index in range(9):
        angle, scale = np.radians(5 * index), 1 + 0.04 * index
        places = (centres((96, 96), (96, 96)) - torch.tensor([30.0 + 2 * index, 48.0])) / scale
        cos, sin = np.cos(angle), np.sin(angle)
        own = torch.stack(
            [places[..., 0] * cos + places[..., 1] * sin, places[..., 1] * cos - places[..., 0] * sin], -1
        )
        shown = torch.nn.functional.grid_sample(inside[None], (own / 20)[None], align_corners=False)[0]
        within = own.abs().amax(-1) < 18
        frames.append(torch.where(within, shown, ground * 0.6))
    found = motion_of(torch.stack(frames))
    assert found.way[-1] == pytest.approx([16, 0], abs=3.5)
    assert float(np.degrees(found.turn[-1])) == pytest.approx(40, rel=0.25)
    assert float(found.scale[-1]) == pytest.approx(1.32, rel=0.1)


def test_what_stands_still_does() -> None:
    still = textured(64, 96).expand(5, 3, 64, 96)
    noise = 0.01 * torch.randn(5, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    assert motion_of((still + noise).clamp(0, 1)).stands_still
    assert motion_of(still[:1]).stands_still


def moving(frames: int = 5) -> ClipMotion:
    way = np.stack([np.linspace(0, 20, frames), np.zeros(frames)], -1)
    camera = np.repeat(np.eye(2, 3)[None], frames, 0)
    camera[:, 1, 2] = np.linspace(0, 10, frames)
    return ClipMotion((60, 80), camera, way, np.linspace(1, 2, frames), np.zeros(frames), True)


def test_between_its_frames_it_goes_evenly_and_after_them_it_stays() -> None:
    found = moving().at(np.array([0, 0.5, 4, 9]))
    assert found.way[:, 0].tolist() == [0, 2.5, 20, 20]
    assert found.camera[:, 1, 2].tolist() == [0, 1.25, 10, 10]
    assert found.scale.tolist() == [1, 1.125, 2, 2]


def test_another_picture_takes_it_on_in_its_own_size() -> None:
    thing = torch.zeros(120, 160, dtype=torch.bool)
    thing[40:60, 20:40] = True
    found = borrowed(moving(), (120, 160), thing)
    assert found.tracks[0, 0].tolist() == [29.5, 49.5]
    assert found.tracks[0, -1].tolist() == [69.5, 49.5]
    assert found.scale[0, -1] == 2
    assert torch.allclose(found.camera[-1], torch.tensor([[1.0, 0, 0], [0, 1, 20]]))
    assert borrowed(moving(), (120, 160), None).tracks.shape == (0, 5, 2)


def test_a_zoom_is_about_the_same_place_of_the_picture() -> None:
    zoom = moving()
    zoom.camera[:] = np.array([[2.0, 0, -39.5], [0, 2, -29.5]])  # about the middle of 80 x 60
    camera = borrowed(zoom, (120, 120), None).camera[-1]
    assert torch.allclose(camera @ torch.tensor([59.5, 59.5, 1.0]), torch.tensor([59.5, 59.5]))


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 6, 7])
def test_what_stands_out_of_a_picture_is_its_thing(seed: int) -> None:
    exact = world.render(world.sample_clip(seed, frames=2), 1)
    found = main_thing(torch.from_numpy(exact.frames[0]).float().clamp(0, 1))
    mask = torch.from_numpy(exact.masks[0, 0]) > 0.5
    assert found is not None
    assert float((found & mask).sum() / (found | mask).sum()) > 0.7


def test_nothing_stands_out_of_an_even_ground() -> None:
    assert main_thing(torch.full((3, 64, 64), 0.5)) is None


def test_a_thing_known_roughly_is_cut_at_its_edge() -> None:
    picture = textured(64, 64) * 0.3
    picture[0, 20:41, 18:43] += 0.6
    mask = torch.zeros(64, 64)
    mask[16:40, 16:48] = 1
    found = cut_out(picture, mask)
    exact = torch.zeros(64, 64, dtype=torch.bool)
    exact[20:41, 18:43] = True
    assert float((found & exact).sum() / (found | exact).sum()) > 0.9
    assert torch.equal(cut_out(picture, torch.zeros(64, 64)), torch.zeros(64, 64, dtype=torch.bool))
