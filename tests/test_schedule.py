"""The DDIM formula against diffusers' own step, and there and back."""

import pytest
import torch
from diffusers import DDIMScheduler

from vedit.errors import ConfigError, WeightsError
from vedit.schedule import Schedule, training_levels

SD = {
    "_class_name": "PNDMScheduler", "num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012,
    "beta_schedule": "scaled_linear", "set_alpha_to_one": False, "steps_offset": 1, "skip_prk_steps": True,
}  # fmt: skip


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("steps", [1, 10, 30, 50])
def test_step_equals_diffusers(prediction: str, steps: int) -> None:
    config = {**SD, "prediction_type": prediction}
    schedule = Schedule.from_config(config, steps)
    theirs = DDIMScheduler.from_config(config, clip_sample=False)
    theirs.set_timesteps(steps)
    assert schedule.timesteps.tolist() == theirs.timesteps.tolist()
    generator = torch.Generator().manual_seed(0)
    for index, t in enumerate(theirs.timesteps):
        x, output = (torch.randn((2, 4, 8, 8), generator=generator) for _ in range(2))
        expected = theirs.step(output, t, x).prev_sample
        torch.testing.assert_close(schedule.step(x, output, index), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_inverting_undoes_a_step(prediction: str) -> None:
    schedule = Schedule.from_config({**SD, "prediction_type": prediction}, 10)
    x, noise = torch.randn(2, 3, 4, 8, 8).unbind()
    for index in range(10):
        clean, _ = schedule.clean_and_noise(x, noise, schedule.levels[index])
        stepped = schedule.step(x, noise, index)
        # The same clean latents and noise, said at the other level.
        output = schedule.output_for(stepped, clean, schedule.levels[index + 1])
        torch.testing.assert_close(schedule.invert(stepped, output, index), x, atol=2e-4, rtol=1e-4)


def test_output_for_is_what_predicts_the_clean_latents() -> None:
    for prediction in ("epsilon", "v_prediction"):
        schedule = Schedule.from_config({**SD, "prediction_type": prediction}, 5)
        x, clean = torch.randn(2, 1, 4, 8, 8).unbind()
        found, _ = schedule.clean_and_noise(x, schedule.output_for(x, clean, schedule.levels[2]), schedule.levels[2])
        torch.testing.assert_close(found, clean, atol=1e-4, rtol=1e-4)


def test_levels_end_at_the_models_own_final_level() -> None:
    schedule = Schedule.from_config(SD, 50)
    assert schedule.levels.signal[-1] == training_levels(SD).signal[0]
    assert torch.all(schedule.levels.signal.diff() > 0)
    assert torch.all(schedule.levels.noise.diff() < 0)


def test_an_unknown_prediction_is_refused() -> None:
    with pytest.raises(WeightsError, match="sample"):
        Schedule.from_config({**SD, "prediction_type": "sample"}, 10)


def test_the_last_steps_are_the_same_steps() -> None:
    whole = Schedule.from_config(SD, 10)
    part = whole.last(4)
    assert part.timesteps.tolist() == whole.timesteps.tolist()[6:]
    assert len(part.levels) == 5
    assert whole.whole
    assert not part.whole
    assert whole.last(10).whole
    x, noise = torch.randn(2, 1, 4, 8, 8).unbind()
    torch.testing.assert_close(part.step(x, noise, 0), whole.step(x, noise, 6))


def test_steps_that_never_reach_noise_are_refused() -> None:
    with pytest.raises(ConfigError, match="up to 500, or 1000"):
        Schedule.from_config(SD, 600)
    for steps in (500, 1000):
        assert Schedule.from_config(SD, steps).timesteps[0] > 990


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_an_inverted_step_that_knows_where_it_leads_is_exact(prediction: str) -> None:
    schedule = Schedule.from_config({**SD, "prediction_type": prediction}, 10)
    there, output = torch.randn(2, 3, 4, 8, 8).unbind()
    for index in range(10):
        x = schedule.step(there, output, index)
        torch.testing.assert_close(schedule.invert_as(x, output, there, index), there, atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_frames_may_stand_at_steps_of_their_own(prediction: str) -> None:
    schedule = Schedule.from_config({**SD, "prediction_type": prediction}, 10)
    x, output, other = torch.randn(3, 3, 4, 8, 8).unbind()
    index = torch.tensor([0, 4, 9])

    def each_way(frames: slice, at: int | torch.Tensor) -> list[torch.Tensor]:
        own, told, there = x[frames], output[frames], other[frames]
        return [
            schedule.step(own, told, at),
            schedule.invert(own, told, at),
            schedule.invert_as(own, told, there, at),
            schedule.clean(own, told, index=at),
            schedule.add_noise(own, told, at),
            schedule.descend(own, told, at),
        ]

    together = each_way(slice(None), index)
    for frame, at in enumerate(index.tolist()):
        for all_frames, alone in zip(together, each_way(slice(frame, frame + 1), at), strict=True):
            assert torch.equal(all_frames[frame, None], alone)
    for alike, one in zip(each_way(slice(None), torch.full((3,), 4)), each_way(slice(None), 4), strict=True):
        assert torch.equal(alike, one)
