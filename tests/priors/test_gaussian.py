"""Noise that is fresh, shared, or wanders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from vedit.adapters.loading import load_backbone
from vedit.backbone import Backbone
from vedit.priors import PriorInputs
from vedit.priors.gaussian import Gaussian, Shared, Walk


@pytest.fixture(scope="module")
def backbone(toy_model: Path) -> Backbone:
    return load_backbone(toy_model, device="cpu")


def started(
    backbone: Backbone, prior: Gaussian | Walk, frames: int, noise_walk: float | Sequence[float] = 0.0
) -> Tensor:
    given = PriorInputs(
        torch.zeros(frames, 4, 16, 16), torch.zeros(1, 1, 1), backbone.schedule(2), seed=5, noise_walk=noise_walk
    )
    return prior.start(backbone, given).noise


def test_a_walk_goes_from_shared_to_fresh(backbone: Backbone) -> None:
    assert torch.equal(started(backbone, Walk(), 4, 0.0), started(backbone, Shared(), 4))
    torch.testing.assert_close(started(backbone, Walk(), 4, 1.0), started(backbone, Gaussian(), 4))


def test_a_walk_wanders_as_far_as_it_is_told_and_stays_gaussian(backbone: Backbone) -> None:
    made = started(backbone, Walk(), 60, 0.1).flatten(1)
    alike = torch.nn.functional.cosine_similarity(made[:-1], made[1:])
    assert abs(float(alike.mean()) - float(torch.cos(torch.tensor(0.1 * torch.pi / 2)))) < 0.01
    assert (made.std(1) - 1).abs().max() < 0.12
    assert abs(float(torch.nn.functional.cosine_similarity(made[0], made[50], dim=0))) < 0.15
    rests = started(backbone, Walk(), 4, [0.0, 0.5, 0.0, 0.0])
    assert torch.equal(rests[1], rests[3])
    assert not torch.equal(rests[0], rests[1])


def test_a_longer_walk_begins_the_same(backbone: Backbone) -> None:
    steps = [0.3] * 9
    assert torch.equal(started(backbone, Walk(), 4, steps[:4]), started(backbone, Walk(), 9, steps)[:4])
