"""What the benchmark of long clips from words measures, on clips that are right and wrong in a known way."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

import world
from benchmarks.judge import load_judge
from benchmarks.long_generated import again, measure, scenes


def rendered(frames: int) -> Tensor:
    return torch.from_numpy(world.render(scenes(1)[0], frames).frames).float().clamp(0, 1)


def test_a_clip_that_goes_on_is_right_and_one_that_turns_back_is_not() -> None:
    (scene,), judge, clip = scenes(1), load_judge(), rendered(16)
    on, back = measure(clip, scene, judge), measure(clip.flip(0), scene, judge)
    assert on["direction"] == 1
    assert back["direction"] == 0
    assert abs(on["speed"] - 1) < 0.35
    assert on["right"] > 0.9
    assert measure(clip[:1].expand(16, -1, -1, -1), scene, judge)["change"] == 0


def test_what_comes_again_is_told() -> None:
    steps = np.random.default_rng(0).standard_normal((64, 2))
    assert abs(again(steps)) < 0.3
    assert again(np.tile(steps[:16], (4, 1))) > 0.9
    assert np.isnan(again(steps[:20]))
