"""Noise that has been a little way towards a picture, and moved there."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from vedit import mapped
from vedit.adapters.loading import load_backbone
from vedit.backbone import Backbone
from vedit.errors import ConfigError
from vedit.flow import Flow
from vedit.priors import PriorInputs
from vedit.priors.bounce import Bounce, first_steps, kept_of_first

SIDE, CELL, FRAMES = 16, 4, 3


@pytest.fixture
def backbone(toy_model: Path) -> Backbone:
    return load_backbone(toy_model, device="cpu")


def to_the_right(by: float) -> Flow:
    """The flow of a picture that goes to the right by so many pixels a frame."""
    forward = torch.zeros(FRAMES - 1, 2, SIDE * CELL, SIDE * CELL)
    forward[:, 0] = by
    return Flow.both_ways(forward, -forward)


def start(
    backbone: Backbone, flow: Flow | None, steps: int = 50, things: Tensor | None = None, seed: int = 0
) -> Tensor:
    empty, schedule = torch.zeros(FRAMES, 4, SIDE, SIDE), backbone.schedule(steps)
    given = PriorInputs(empty, backbone.embed(["a cat"]), schedule, seed=seed, flow=flow, things=things)
    return Bounce().start(backbone, given).noise


def likeness(one: Tensor, other: Tensor) -> float:
    """The correlation of two noises."""
    return float(torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1])


def test_what_is_carried_along_is_the_first_frames(backbone: Backbone) -> None:
    made = start(backbone, to_the_right(CELL))
    moved = likeness(made[2, :, :, 2:], made[0, :, :, :-2])
    assert 0.5 < moved < 0.95, "with noise of its own"
    assert likeness(made[2, :, :, 2:], made[0, :, :, 2:]) < 0.3
    assert abs(likeness(made[2, :, :, :2], made[0, :, :, :2])) < 0.3, "what comes into view is new"
    assert float(made.std()) == pytest.approx(1, abs=0.1)


def test_the_background_keeps_more_of_the_first_frame(backbone: Backbone) -> None:
    things = torch.zeros(FRAMES, 1, SIDE, SIDE, dtype=torch.bool)
    things[:, :, :8] = True
    made = start(backbone, to_the_right(0), things=things)
    thing, behind = likeness(made[1, :, :8], made[0, :, :8]), likeness(made[1, :, 8:], made[0, :, 8:])
    assert behind > thing + 0.1
    assert float(made[1, :, 8:].std()) == pytest.approx(1, abs=0.12)


def test_it_is_the_same_however_many_frames_are_looked_at_at_once(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    things = torch.rand(FRAMES, 1, SIDE, SIDE) > 0.5
    whole = start(backbone, to_the_right(CELL), things=things)
    monkeypatch.setattr(mapped, "CHUNK", 1)
    assert torch.equal(start(backbone, to_the_right(CELL), things=things), whole)


def test_few_steps_are_enough_and_the_seed_decides(backbone: Backbone) -> None:
    made = start(backbone, to_the_right(CELL), steps=3)
    assert torch.equal(made, start(backbone, to_the_right(CELL), steps=3))
    assert not torch.equal(made, start(backbone, to_the_right(CELL), steps=3, seed=1))
    assert likeness(made[1, :, :, 1:], made[0, :, :, :-1]) > 0.3
    assert float(kept_of_first(first_steps(backbone.schedule(3), 1), None)) >= 0.5


def test_it_needs_the_flow_of_the_clip(backbone: Backbone) -> None:
    with pytest.raises(ConfigError, match="needs the flow of 3 frames, and none was given"):
        start(backbone, None)
    short = Flow.both_ways(torch.zeros(0, 2, 8, 8), torch.zeros(0, 2, 8, 8))
    with pytest.raises(ConfigError, match="one of 1 frames was given"):
        start(backbone, short)
