"""The ground of a clip behind its things."""

from __future__ import annotations

import torch

from vedit.flow import Flow, centres
from vedit.motion.ground import Ground, continued, ground_step

SIZE = (40, 60)


def panning(by: float) -> torch.Tensor:
    """A flow (2, H, W) of a ground that goes to the right."""
    flow = torch.zeros(2, *SIZE)
    flow[0] = by
    return flow


def test_values_are_carried_on_from_around() -> None:
    slope = torch.linspace(0, 1, 60).expand(1, 40, 60).clone()
    known = torch.ones(SIZE, dtype=torch.bool)
    known[15:25, 25:35] = False
    found = continued(torch.where(known, slope, 9.0), known)
    assert torch.equal(found[:, known], slope[:, known])
    assert float((found - slope).abs().max()) < 0.08
    assert not continued(slope, torch.zeros_like(known)).any()


def test_behind_a_thing_and_beyond_the_picture_the_ground_goes_on() -> None:
    flow, covered = panning(2.0), torch.zeros(SIZE, dtype=torch.bool)
    covered[10:20, 10:20] = True
    flow[:, covered] = torch.tensor([-5.0, 3.0])[:, None]
    step = ground_step(flow, torch.zeros(SIZE, dtype=torch.bool), covered)
    assert step is not None
    places = torch.tensor([[15.0, 15.0], [70.0, 45.0]])
    assert torch.allclose(step.of(places), places + torch.tensor([2.0, 0.0]), atol=0.01)
    assert not step.strange.any()


def test_another_thing_before_the_ground_is_not_taken_for_it() -> None:
    flow = panning(2.0)
    flow[:, 30:, 40:] = torch.tensor([-6.0, 0.0])[:, None, None]
    nothing = torch.zeros(SIZE, dtype=torch.bool)
    step = ground_step(flow, nothing, nothing)
    assert step is not None
    assert step.strange[32:, 42:].all()
    assert not step.strange[:28].any()


def test_nothing_is_taken_from_another_shot() -> None:
    frames = torch.rand(2, 3, *SIZE, generator=torch.Generator().manual_seed(0))
    pixels = centres(SIZE, SIZE).reshape(-1, 2)[:5]
    covered = torch.zeros(2, *SIZE, dtype=torch.bool)
    still = torch.zeros(1, 2, *SIZE)
    hidden = torch.zeros(1, *SIZE, dtype=torch.bool)
    colours, seen = Ground(frames, Flow(still, still, hidden, hidden), covered).behind(0, pixels)
    assert seen.all()
    assert torch.allclose(colours, frames[1, :, 0, :5].T, atol=1e-5)
    _, seen = Ground(frames, Flow(still, still, ~hidden, ~hidden), covered).behind(0, pixels)
    assert not seen.any()
