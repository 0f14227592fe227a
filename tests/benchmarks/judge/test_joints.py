"""Joints are found by name, of each figure its own, and none where a limb is missing."""

import numpy as np
import pytest
import torch
from torch import Tensor

import world
from benchmarks.judge.joints import NAMES, NEAR, Joints, drawn, heat, share_found
from world import shapes


class Perfect(Joints):
    """Finds the joints (B, P, 18, 2) that it is given."""

    def __init__(self, joints: np.ndarray) -> None:
        super().__init__()
        self.joints = joints

    def forward(self, frames: Tensor) -> Tensor:
        return torch.logit(heat(self.joints).clamp(1e-6, 1 - 1e-6))


def test_every_joint_is_found_where_it_is() -> None:
    frames, joints = drawn(list(range(12)))
    far = Perfect(joints).distances(frames, joints)
    assert far.shape == (12, 2, 14)
    assert np.array_equal(np.isnan(far).all(axis=2), np.isnan(joints).all(axis=(2, 3)))
    assert (far[~np.isnan(far)] <= NEAR).all()
    assert np.nanmedian(far) < 1
    assert (~np.isnan(joints[:, 1, 0, 0])).any(), "no second figure"


def test_joints_of_another_place_are_far() -> None:
    frames, joints = drawn(list(range(4)))
    far = Perfect(joints + 20).distances(frames, joints)
    assert np.nanmedian(far) > 10


def test_no_joint_counts_for_two_that_are_apart() -> None:
    scene = world.sample_scene(3).changed(shape="person", direction="up")
    points = shapes.joints(scene.objects[0], 0)[None, None]
    one_legged = points.copy()
    one_legged[0, 0, [world.JOINTS.index(f"left_{name}") for name in ("knee", "ankle")]] = np.nan
    far = Perfect(one_legged).distances(torch.zeros(1, 3, 128, 128), points)[0, 0]
    assert np.isinf(far).sum() == 2


def test_missing_limbs_have_no_joints() -> None:
    seeds = list(range(8))
    (whole, joints), (limbless, left) = drawn(seeds), drawn(seeds, limbless=1.0)
    assert np.isnan(left).sum() > np.isnan(joints).sum()
    assert np.nanmax(np.abs(left - joints)) == 0
    assert (whole != limbless).any(dim=(1, 2, 3)).all()
    assert heat(left).sum() < heat(joints).sum()


def test_the_share_that_is_found_counts_names_on_the_mask() -> None:
    scene = world.sample_scene(3).changed(shape="person")
    mask = world.draw_frame(scene, 0, 0.0)[1][0]
    points = shapes.joints(scene.objects[0], 0)[None, None]
    (named,) = Perfect(points).find(torch.zeros(1, 3, 128, 128))
    assert share_found(named, mask) == 1
    assert share_found([*named[:-2], *[np.zeros((0, 2))] * 2], mask) == pytest.approx(1 - 2 / len(NAMES))
    assert share_found(named, np.roll(mask, 60, axis=1)) == 0
    assert share_found(named, np.zeros_like(mask)) == 0
