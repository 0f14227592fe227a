"""Cuts are found where the picture changes at once, and nowhere else."""

import numpy as np
import pytest
import torch
from torch import Tensor

import world
from vedit.clip.cuts import find_cuts
from vedit.shots import ONE_SHOT


def shown(seed: int, frames: int) -> Tensor:
    """A clip of the procedural world (F, 3, H, W)."""
    scene = world.sample_clip(seed, "train", frames=frames)
    return torch.from_numpy(np.asarray(world.render(scene, frames).frames)).clamp(0, 1).float()


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_one_shot_stays_one(seed: int) -> None:
    assert find_cuts(shown(seed, 12)) == ONE_SHOT


def test_cuts_are_found_in_their_frames() -> None:
    frames = torch.cat([shown(1, 7), shown(2, 9), shown(3, 6)])
    assert find_cuts(frames).starts == (0, 7, 16)


def test_a_quick_pan_is_no_cut() -> None:
    wide = torch.rand(3, 8, 16, generator=torch.Generator().manual_seed(0))
    picture = torch.nn.functional.interpolate(wide[None], scale_factor=8, mode="bilinear")[0]
    frames = torch.stack([picture.roll(12 * frame, dims=2)[..., :64] for frame in range(12)])
    assert find_cuts(frames) == ONE_SHOT


def test_few_frames_are_one_shot() -> None:
    assert find_cuts(torch.rand(4, 3, 16, 16)) == ONE_SHOT
