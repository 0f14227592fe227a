"""Noise of a long clip out of that of its first frames."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from vedit.adapters.loading import load_backbone
from vedit.backbone import Backbone
from vedit.priors import PriorInputs
from vedit.priors.reshuffled import Reshuffled, order
from vedit.sampling.denoising import noise
from vedit.windows import WINDOW, Windows


@pytest.fixture(scope="module")
def backbone(toy_model: Path) -> Backbone:
    return load_backbone(toy_model, device="cpu")


def started(backbone: Backbone, frames: int, seed: int = 5) -> Tensor:
    given = PriorInputs(torch.zeros(frames, 4, 4, 4), torch.zeros(1, 1, 1), backbone.schedule(2), seed=seed)
    return Reshuffled().start(backbone, given).noise


def test_frames_seen_together_have_noise_of_their_own() -> None:
    found = order(100, 16, seed=3)
    assert found[:16] == list(range(16))
    for begin in range(0, 84, 4):
        assert len(set(found[begin : begin + 16])) == 16
        assert set(found[begin + 16 : begin + 20]) == set(found[begin : begin + 4])
    assert any(found[begin + 16 : begin + 20] != found[begin : begin + 4] for begin in range(0, 84, 4))
    assert order(100, 16, seed=4) != found


@pytest.mark.parametrize("seen", [1, 2, 3, 7, 16])
def test_a_longer_clip_begins_the_same(seen: int) -> None:
    assert order(70, seen, seed=1)[:33] == order(33, seen, seed=1)


def test_a_clip_that_is_seen_whole_has_fresh_noise(backbone: Backbone) -> None:
    assert torch.equal(started(backbone, WINDOW), noise(5, WINDOW, (4, 4, 4)))
    long = started(backbone, 2 * WINDOW + 3)
    assert torch.equal(long[:WINDOW], noise(5, WINDOW, (4, 4, 4)))
    assert torch.equal(long[WINDOW : WINDOW + 4].sort(0).values, long[:4].sort(0).values)


def test_windows_say_how_much_is_seen_at_once(backbone: Backbone) -> None:
    with backbone.attending("per_frame", windows=Windows(8, 2)):
        found = started(backbone, 20)
    assert torch.equal(found[8:10].sort(0).values, found[:2].sort(0).values)
    assert len(found.unique(dim=0)) == 8
