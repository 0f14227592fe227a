"""Latents that are held, each as long as its own clock says."""

from __future__ import annotations

import torch

from vedit.masks.dual_clock import DualClock, latents_held, latents_whole
from vedit.sampling.denoising import noise
from vedit.schedule import Schedule

LAYOUT = {"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}

ALL = slice(0, 2)


def clock(until: torch.Tensor, taken: int = 6) -> DualClock:
    return DualClock(
        noise(1, 2, (4, 2, 2)), noise(2, 2, (4, 2, 2)), until, Schedule.from_config(LAYOUT, 10).last(taken)
    )


def test_it_begins_with_the_reference_under_noise_or_with_noise() -> None:
    held = torch.zeros(2, 1, 2, 2)
    held[0] = 1
    part, whole = clock(held), clock(held, 10)
    assert torch.equal(part.begin(), part.schedule.add_noise(part.reference, part.noise, 0))
    assert torch.equal(whole.begin()[1], whole.noise[1])
    assert not torch.equal(whole.begin()[0], whole.noise[0])


def test_each_is_held_up_to_its_share_of_all_the_steps() -> None:
    until = torch.tensor([[[[0.0, 0.5], [0.6, 1.0]]], [[[0.0, 0.0], [0.0, 0.0]]]])
    one, free = clock(until), torch.full((2, 4, 2, 2), 9.0)
    for index in range(6):  # of ten steps, those that end at 0.5, 0.6 ... 1
        free_there = (one.hold(free, index, ALL) == 9).all(1)
        end = 0.5 + index / 10
        assert free_there[0].tolist() == [[True, end > 0.5 + 1e-3], [end > 0.6 + 1e-3, False]]
        assert free_there[1].all()
    assert torch.equal(one.hold(free, 5, ALL)[0, :, 1, 1], one.reference[0, :, 1, 1])


def test_latents_hold_something_or_nothing_else() -> None:
    pixels = torch.zeros(1, 16, 24, dtype=torch.bool)
    pixels[:, :8, :12] = True
    assert latents_held(pixels, 8)[0, 0].tolist() == [[True, True, False], [False, False, False]]
    assert latents_whole(pixels, 8)[0, 0].tolist() == [[True, False, False], [False, False, False]]
