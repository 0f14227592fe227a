"""Seams and drift are found where they are, and nowhere else."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from torch import Tensor

from vedit.flow import Flow, estimate_flow
from vedit.seams import UNSEEN, drift, jumps, met, seams
from vedit.shots import ONE_SHOT, Shots
from vedit.windows import Windows

FRAMES, RATE = 24, Fraction(8)


@pytest.fixture(scope="module")
def source() -> Tensor:
    """A bright square over a pattern that moves."""
    noise = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    picture = torch.nn.functional.interpolate(noise, size=(64, 64), mode="bilinear")[0] * 0.5 + 0.2
    return torch.stack([picture.roll(frame, dims=2) for frame in range(FRAMES)])


@pytest.fixture(scope="module")
def flow(source: Tensor) -> Flow:
    return estimate_flow(source)


def edited(source: Tensor, levels: Tensor) -> Tensor:
    """Redder by so much in each frame (F,), and a little by chance."""
    chance = 0.02 * torch.randn(source.shape, generator=torch.Generator().manual_seed(1))
    lift = torch.zeros(len(source), 3, 1, 1)
    lift[:, 0, 0, 0] = levels
    return (source + lift + chance).clamp(0, 1)


def test_a_jump_is_a_seam_that_shows(source: Tensor, flow: Flow) -> None:
    made = edited(source, torch.where(torch.arange(FRAMES) < 13, 0.1, 0.25))
    changes = jumps(made, source, flow, None)
    assert int(changes.argmax()) == 12
    worst, *others = seams(changes, ONE_SHOT, {5, 13, 20})
    assert (worst.frame, worst.shows) == (13, True)
    assert worst.ratio > 2
    assert not any(each.shows for each in others)
    assert [each.ratio for each in others] == pytest.approx([1, 1], abs=0.2)


def test_an_even_edit_has_no_seam_that_shows(source: Tensor, flow: Flow) -> None:
    made = edited(source, torch.full((FRAMES,), 0.2))
    assert not any(each.shows for each in seams(jumps(made, source, flow, None), ONE_SHOT, range(1, FRAMES)))


def test_what_nobody_sees_is_no_seam() -> None:
    changes = torch.full((FRAMES - 1,), UNSEEN / 100)
    changes[6] = UNSEEN / 2
    assert [each.shows for each in seams(changes, ONE_SHOT, {7})] == [False]


def test_a_cut_is_no_seam() -> None:
    changes = torch.full((FRAMES - 1,), 0.1)
    changes[9] = 1
    assert [each.frame for each in seams(changes, Shots((0, 10)), {4, 10, 15})] == [4, 15]
    assert seams(changes, ONE_SHOT, {10})[0].shows


def test_only_what_the_mask_opens_counts(source: Tensor, flow: Flow) -> None:
    mask = torch.zeros(FRAMES, 1, 8, 8)
    mask[..., :4] = 1
    made = source.clone()
    made[13:, :, :, 40:] = 0.9
    assert float(jumps(made, source, flow, mask).max()) < 0.01
    assert float(jumps(made, source, flow, None).max()) > 0.05


def test_drift_is_told_for_each_second(source: Tensor) -> None:
    still = edited(source, torch.full((FRAMES,), 0.1))
    assert drift(still, source, RATE, ONE_SHOT, None) < 0.1
    drifting = edited(source, torch.linspace(0, 0.2, FRAMES))
    per_second = drift(drifting, source, RATE, ONE_SHOT, None)
    assert per_second > 2
    assert drift(drifting, source, 2 * RATE, ONE_SHOT, None) == pytest.approx(2 * per_second, rel=1e-3)
    # A step from one shot to the next is none.
    cut = edited(source, torch.where(torch.arange(FRAMES) < 12, 0.0, 0.2))
    assert drift(cut, source, RATE, Shots((0, 12)), None) < 0.2
    assert drift(cut, source, RATE, ONE_SHOT, None) > 2


def test_drift_is_of_what_is_kept(source: Tensor) -> None:
    mask = torch.zeros(FRAMES, 1, 8, 8)
    mask[..., :4] = 1
    made = source.clone()
    made[..., :32] = (made[..., :32] + torch.linspace(0, 0.3, FRAMES)[:, None, None, None]).clamp(0, 1)
    assert drift(made, source, RATE, ONE_SHOT, mask) < 1e-6
    assert drift(made, source, RATE, ONE_SHOT, None) > 1


def test_windows_meet_where_their_output_begins() -> None:
    windows = Windows(8, 2)
    expected = {each.start for step in range(5, 10) for each in windows.of_step(FRAMES, step)[1:]}
    assert met(windows, ONE_SHOT, FRAMES, range(5, 10)) == expected
    assert met(windows, Shots((0, 8, 16)), FRAMES, range(10)) == set()
