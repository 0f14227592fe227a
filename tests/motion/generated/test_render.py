"""From exact flow volumes to the flow of a picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import world
from training.flow_diffusion import volume_of_clip, volume_of_scene
from vedit.motion.generated.network import FlowDiffusionConfig
from vedit.motion.generated.render import dense_of
from vedit.motion.generated.volume import FlowVolume
from vedit.motion.warp import crude_animation

CONFIG = FlowDiffusionConfig(text_width=128)


def scene(seed: int, pans: bool = False) -> world.Scene:
    found = world.sample_clip(seed, path="straight", pans=pans)
    return found.changed(shape="star") if found.objects[0].shape == "person" else found


@pytest.mark.parametrize(("seed", "pans"), [(3, False), (4, False), (11, True)])
def test_a_thing_goes_its_way_to_the_pixel(seed: int, pans: bool) -> None:
    exact = world.render(scene(seed, pans), 16)
    picture = torch.from_numpy(exact.frames[0]).float().clamp(0, 1)
    found = dense_of(volume_of_scene(exact.scene, CONFIG), picture)
    last = torch.from_numpy(exact.masks[-1, 0]) > 0.5
    shown = (found.backward[-1].norm(dim=0) > 3) & found.drawn[-1]
    assert float((shown & last).sum() / (shown | last).sum()) > 0.75
    pan = -torch.tensor(exact.scene.camera) * 15
    far = torch.ones(128, 128, dtype=torch.bool)
    for time in (0, 15):
        x, y = np.subtract(exact.scene.objects[0].position(time), np.multiply(exact.scene.camera, time)).astype(int)
        far[max(0, y - 40) : y + 40, max(0, x - 40) : x + 40] = False
    assert (found.forward[-1][:, far] - pan[:, None]).abs().max() < 1.5
    assert torch.equal(crude_animation(picture, found)[0], picture)


def test_a_little_noise_in_it_moves_no_ground() -> None:
    exact = world.render(scene(3), 16)
    volume = volume_of_scene(exact.scene, CONFIG)
    noise = 0.004 * torch.randn(volume.moved.shape, generator=torch.Generator().manual_seed(0))
    noisy = replace(volume, moved=volume.moved + noise, held=(volume.held + 0.05).clamp(max=1))
    found = dense_of(noisy, torch.from_numpy(exact.frames[0]).float().clamp(0, 1))
    assert float((found.forward[-1].abs().amax(0) == 0).float().mean()) > 0.5


def test_where_nothing_moves_nothing_does() -> None:
    picture = torch.rand(3, 48, 64, generator=torch.Generator().manual_seed(0))
    still = FlowVolume(torch.zeros(4, 2, 6, 8), torch.zeros(6, 8))
    found = dense_of(still, picture)
    assert found.forward.abs().max() == 0
    assert found.visible.all()


def test_the_volume_of_a_clip_is_near_the_exact_one() -> None:
    exact = world.render(scene(3), 16)
    frames = torch.from_numpy(exact.frames).float().clamp(0, 1)
    found, wanted = volume_of_clip(frames, CONFIG), volume_of_scene(exact.scene, CONFIG)
    inside = wanted.held > 0.9
    assert float(found.held[inside].mean()) > 0.8
    assert float(found.held[wanted.held == 0].mean()) < 0.2
    error = (found.moved[-1] - wanted.moved[-1])[:, inside].norm(dim=0).mean()
    assert error < 0.3 * wanted.moved[-1][:, inside].norm(dim=0).mean()
