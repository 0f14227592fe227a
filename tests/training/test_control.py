"""What ControlNets are shown of the world."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import world
from training.control import DRAW


@pytest.mark.parametrize("kind", DRAW)
def test_what_stands_still_is_drawn_too(kind: str) -> None:
    scene = world.sample_clip(2)
    still = replace(
        scene, objects=tuple(replace(each, path="still", speed=0.0) for each in scene.objects), camera=(0, 0)
    )
    for each in (scene, still):
        shown = DRAW[kind](each, 3, np.random.default_rng(0))
        assert shown.shape == (3, world.SIZE, world.SIZE)
        assert torch.isfinite(shown).all()
        assert 0 <= float(shown.min()) <= float(shown.max()) <= 1
