"""Samplers beside DDIM: where they begin and end, how near they come in few steps, and what they remember."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler
from torch import Tensor

from vedit.errors import ConfigError
from vedit.sampling.denoising import keyed, noise
from vedit.sampling.solvers import Solver, solver_of
from vedit.schedule import Prediction, Sampler, Schedule

SD1 = {
    "_class_name": "PNDMScheduler", "num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012,
    "beta_schedule": "scaled_linear", "set_alpha_to_one": False, "steps_offset": 1, "skip_prk_steps": True,
}  # fmt: skip
LEADING = {**SD1, "_class_name": "DDIMScheduler", "timestep_spacing": "leading"}
SD2 = {**SD1, "_class_name": "DDIMScheduler", "prediction_type": "v_prediction"}
ZERO_SNR = {**SD2, "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}

SPREAD = 0.5
"""Standard deviation of the clean latents of a world whose best prediction is known."""


def solver(schedule: Schedule, config: dict[str, object], *, seed: int = 0, shared: bool = False) -> Solver:
    return solver_of(config, schedule, partial(keyed, seed), shared=shared)


def sampled(
    config: dict[str, object], steps: int, sampler: Sampler, x: Tensor, *, size: int = 2, skip: int = 0, seed: int = 0,
    shared: bool = False,
) -> Tensor:  # fmt: skip
    """What the best prediction makes of noise (F, 4, h, w), ``size`` frames at a time."""
    schedule = Schedule.from_config(config, steps, sampler).last(steps - skip)
    take, x = solver(schedule, config, seed=seed, shared=shared), x.clone()
    for index in range(len(schedule)):
        for start in range(0, len(x), size):
            cut = slice(start, min(start + size, len(x)))
            level = schedule.level(index, x.device)
            clean = level.signal * SPREAD**2 / (level.signal**2 * SPREAD**2 + level.noise**2) * x[cut]
            x[cut] = take.step(x[cut], schedule.output_for(x[cut], clean, level), index, cut)
    return x


@pytest.mark.parametrize("sampler", ["dpm++", "lcm"])
@pytest.mark.parametrize("config", [SD1, LEADING, SD2, ZERO_SNR], ids=["SD 1", "leading", "SD 2", "zero SNR"])
def test_they_go_from_noise_to_clean_latents(sampler: Sampler, config: dict[str, object]) -> None:
    schedule = Schedule.from_config(config, 8, sampler)
    assert len(schedule) == 8
    assert int(schedule.timesteps[0]) == 999
    assert bool((schedule.timesteps.diff() < 0).all())
    assert (float(schedule.levels.signal[-1]), float(schedule.levels.noise[-1])) == (1.0, 0.0)
    assert bool((schedule.levels.signal.diff() > 0).all())
    torch.testing.assert_close(schedule.levels.signal**2 + schedule.levels.noise**2, torch.ones(9))
    assert torch.isfinite(sampled(config, 8, sampler, noise(0, 3, (4, 8, 8)))).all()


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_steps_are_diffusers_own(prediction: Prediction) -> None:
    config = {**SD1, "prediction_type": prediction}
    theirs = DPMSolverMultistepScheduler.from_config(config, use_lu_lambdas=True)
    theirs.set_timesteps(9)
    schedule = Schedule.from_config(config, 9, "dpm++")
    assert schedule.timesteps.tolist() == theirs.timesteps.tolist()
    ours, x = solver(schedule, config), noise(0, 3, (4, 8, 8))
    for index, t in enumerate(theirs.timesteps):
        output = noise(index + 1, 3, (4, 8, 8))
        expected = theirs.step(output, t, x).prev_sample
        parts = [ours.step(x[cut], output[cut], index, cut) for cut in (slice(0, 2), slice(2, 3))]
        x = torch.cat(parts)
        assert torch.equal(x, expected)


@pytest.mark.parametrize("config", [SD1, SD2], ids=["SD 1", "SD 2"])
def test_few_steps_come_nearer_than_ddims(config: dict[str, object]) -> None:
    """Where the best prediction leads is known: each latent becomes as large as the world's are at the level."""
    x, errors = noise(0, 3, (4, 8, 8)), {}
    for sampler in ("ddim", "dpm++"):
        levels = Schedule.from_config(config, 8, sampler).levels
        spread = (levels.signal**2 * SPREAD**2 + levels.noise**2).sqrt()
        exact = x * spread[-1] / spread[0]
        errors[sampler] = float((sampled(config, 8, sampler, x) - exact).abs().mean())
    assert errors["dpm++"] < 0.5 * errors["ddim"], errors


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_ancestral_steps_are_diffusers_ddim_at_eta_1(prediction: Prediction) -> None:
    config = {**SD1, "prediction_type": prediction}
    theirs = DDIMScheduler.from_config(config, clip_sample=False)
    theirs.set_timesteps(9)
    schedule, x = Schedule.from_config(config, 9, "ddpm"), noise(0, 3, (4, 8, 8))
    assert schedule.timesteps.tolist() == theirs.timesteps.tolist()
    for index, t in enumerate(theirs.timesteps):
        output, fresh = noise(index + 1, 3, (4, 8, 8)), noise(index + 100, 3, (4, 8, 8))
        expected = theirs.step(output, t, x, eta=1.0, variance_noise=fresh).prev_sample
        torch.testing.assert_close(schedule.ancestral_step(x, output, fresh, index), expected, atol=1e-5, rtol=1e-5)
        x = expected


def test_ancestral_steps_keep_the_spread_of_a_world_that_is_known() -> None:
    x = noise(0, 16, (4, 16, 16))
    assert float(sampled(SD1, 50, "ddpm", x).std()) == pytest.approx(SPREAD, rel=0.1)


def test_half_of_the_noise_of_ancestral_steps_is_shared_where_that_of_the_beginning_is() -> None:
    same = noise(0, 1, (4, 16, 16)).repeat(2, 1, 1, 1)
    apart, shared = (sampled(SD1, 20, "ddpm", same, shared=each) for each in (False, True))
    alike = [float(torch.corrcoef(each.flatten(1))[0, 1]) for each in (apart, shared)]
    assert alike[0] < 0.3 < 0.4 < alike[1] < 0.9, alike


@pytest.mark.parametrize("sampler", ["ddpm", "dpm++", "lcm"])
def test_how_many_frames_are_taken_at_a_time_makes_no_difference(sampler: Sampler) -> None:
    x = noise(0, 4, (4, 8, 8))
    assert torch.equal(sampled(SD1, 4, sampler, x, size=1), sampled(SD1, 4, sampler, x, size=4))


@pytest.mark.parametrize("sampler", ["ddpm", "dpm++", "lcm"])
def test_the_last_steps_alone_are_those_of_the_whole_way(sampler: Sampler) -> None:
    schedule = Schedule.from_config(SD1, 6, sampler)
    part, x = schedule.last(2), noise(0, 1, (4, 8, 8))
    assert part.timesteps.tolist() == schedule.timesteps[4:].tolist()
    assert torch.isfinite(sampled(SD1, 6, sampler, x, skip=4)).all()


def test_other_stretches_begin_as_the_first_step_does() -> None:
    schedule, x, output = Schedule.from_config(SD1, 6, "dpm++"), noise(0, 2, (4, 8, 8)), noise(1, 2, (4, 8, 8))
    whole, halves = slice(0, 2), slice(0, 1)
    begun, fresh = solver(schedule, SD1), solver(schedule, SD1)
    begun.step(x, noise(2, 2, (4, 8, 8)), 0, whole)
    first = fresh.step(x[halves], output[halves], 1, halves)
    assert torch.equal(begun.step(x[halves], output[halves], 1, halves), first)
    assert not torch.equal(begun.step(x, output, 1, whole)[halves], first), "it remembers the step before"


@pytest.mark.parametrize("sampler", ["ddpm", "lcm"])
def test_noise_of_a_step_is_keyed_by_seed_step_and_frame(sampler: Sampler) -> None:
    x = noise(0, 5, (4, 8, 8))
    made = sampled(SD1, 4, sampler, x)
    assert torch.equal(sampled(SD1, 4, sampler, x), made)
    assert torch.equal(sampled(SD1, 4, sampler, x[:3]), made[:3]), "a longer clip keeps its first frames"
    assert not torch.equal(sampled(SD1, 4, sampler, x, seed=1), made)


@pytest.mark.parametrize("sampler", ["ddpm", "lcm"])
def test_each_step_draws_noise_of_its_own(sampler: Sampler) -> None:
    drawn: list[Tensor] = []

    def taken(number: int) -> torch.Generator:
        drawn.append(torch.randn(8, generator=keyed(3, number)))
        return keyed(3, number)

    schedule, x = Schedule.from_config(SD1, 6, sampler), noise(3, 2, (4, 8, 8))
    take = solver_of(SD1, schedule, taken, shared=sampler == "ddpm")
    for index in range(6):
        x = take.step(x, x, index, slice(0, 2))
    assert len({tuple(each.tolist()) for each in drawn}) == len(drawn) >= 12
    assert not any(torch.equal(each, torch.randn(8, generator=keyed(3, frame))) for each in drawn for frame in (0, 1))


def test_noise_of_a_step_is_shared_where_that_of_the_beginning_is() -> None:
    x = noise(0, 5, (4, 8, 8))
    same = x[:1].repeat(3, 1, 1, 1)
    apart, shared = (sampled(SD1, 4, "lcm", same, shared=each) for each in (False, True))
    assert not torch.equal(apart[0], apart[1])
    assert torch.equal(shared[0], shared[1])


def test_diffusers_remember_and_ours_do_not() -> None:
    samplers: tuple[Sampler, ...] = ("ddim", "ddpm", "dpm++", "lcm")
    found = {each: solver(Schedule.from_config(SD1, 4, each), SD1).remembers for each in samplers}
    assert found == {"ddim": False, "ddpm": False, "dpm++": True, "lcm": True}


def test_more_steps_than_lcm_has_are_refused() -> None:
    with pytest.raises(ConfigError, match="51 are too many for the sampler lcm, which has 50"):
        Schedule.from_config(SD1, 51, "lcm")
