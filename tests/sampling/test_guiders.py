"""How branches combine."""

from functools import partial

import pytest
import torch

from vedit.prompt import Prompt
from vedit.sampling.denoising import noise
from vedit.sampling.guiders import ClassifierFree
from vedit.schedule import Prediction, Schedule

SCHEDULE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
PROMPT = torch.zeros(1, 4, 8)


def test_published_guidance_is_the_published_formula() -> None:
    outputs = noise(0, 2, (3, 4, 8, 8))
    combined = ClassifierFree(Prompt(PROMPT), Prompt(PROMPT), 6.0).combine(outputs, lambda output: output)
    torch.testing.assert_close(combined, outputs[0] + 6.0 * (outputs[1] - outputs[0]))


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_without_saturation_guidance_leads_across_the_clean_latents(prediction: Prediction) -> None:
    schedule = Schedule.from_config({**SCHEDULE, "prediction_type": prediction}, 10)
    x, outputs = noise(1, 3, (4, 8, 8)), noise(2, 2, (3, 4, 8, 8))
    clean = partial(schedule.clean, x, index=4)
    before = clean(outputs[1])

    def added(apg_eta: float) -> torch.Tensor:
        return clean(ClassifierFree(Prompt(PROMPT), Prompt(PROMPT), 6.0, apg_eta).combine(outputs, clean)) - before

    across, half, whole = added(0.0), added(0.5), added(1.0)
    assert (across * before).sum((1, 2, 3)).abs().max() < 1e-2 * (whole * before).sum((1, 2, 3)).abs().min()
    torch.testing.assert_close(half, (across + whole) / 2, atol=1e-4, rtol=1e-4)
    # What is left is all of the rest: the whole lead without its shadow on the clean latents.
    shadow = (whole * before).sum((1, 2, 3), keepdim=True) / before.square().sum((1, 2, 3), keepdim=True) * before
    torch.testing.assert_close(across, whole - shadow, atol=1e-4, rtol=1e-4)
