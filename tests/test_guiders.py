"""How branches combine."""

from functools import partial

import pytest
import torch

from vedit.condition import Condition, Tokens
from vedit.guiders import MOMENTUM_KEPT, ClassifierFree, SemanticGuidance, join_tokens
from vedit.sampling import noise
from vedit.schedule import Prediction, Schedule

SCHEDULE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
PROMPT = torch.zeros(1, 4, 8)


def test_published_guidance_is_the_published_formula() -> None:
    outputs = noise(0, 2, (3, 4, 8, 8))
    combined = ClassifierFree(PROMPT, PROMPT, 6.0).combine(outputs, lambda output: output)
    torch.testing.assert_close(combined, outputs[0] + 6.0 * (outputs[1] - outputs[0]))


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_without_saturation_guidance_leads_across_the_clean_latents(prediction: Prediction) -> None:
    schedule = Schedule.from_config({**SCHEDULE, "prediction_type": prediction}, 10)
    x, outputs = noise(1, 3, (4, 8, 8)), noise(2, 2, (3, 4, 8, 8))
    clean = partial(schedule.clean, x, index=4)
    before = clean(outputs[1])

    def added(apg_eta: float) -> torch.Tensor:
        return clean(ClassifierFree(PROMPT, PROMPT, 6.0, apg_eta).combine(outputs, clean)) - before

    across, half, whole = added(0.0), added(0.5), added(1.0)
    assert (across * before).sum((1, 2, 3)).abs().max() < 1e-2 * (whole * before).sum((1, 2, 3)).abs().min()
    torch.testing.assert_close(half, (across + whole) / 2, atol=1e-4, rtol=1e-4)
    # What is left is all of the rest: the whole lead without its shadow on the clean latents.
    shadow = (whole * before).sum((1, 2, 3), keepdim=True) / before.square().sum((1, 2, 3), keepdim=True) * before
    torch.testing.assert_close(across, whole - shadow, atol=1e-4, rtol=1e-4)


def test_semantic_guidance_leads_where_it_says_most_and_remembers() -> None:
    direction = noise(3, 2, (4, 8, 8))
    text, envelope = torch.zeros(2, 5, 8), torch.tensor([2.0, 0.0])
    share = torch.ones(2)
    whole = SemanticGuidance(Condition(envelope, tokens=Tokens(text, share))).lead(direction, [3.0, 1.0])
    torch.testing.assert_close(whole, 3 * direction * envelope.view(-1, 1, 1, 1))
    some = SemanticGuidance(Condition(envelope, tokens=Tokens(text, share, quantile=0.75, momentum=0.5)))
    first = some.lead(direction, 1.0)
    heeded = first[0] != 0
    assert heeded.flatten(1).sum(1).tolist() == [16] * 4  # a quarter of each channel
    assert direction[0].abs()[heeded].min() > 0
    for channel, chosen in zip(direction[0].abs(), heeded, strict=True):
        assert channel[chosen].min() > channel[~chosen].max()
    torch.testing.assert_close(some.lead(direction, 1.0), first + 0.5 * (1 - MOMENTUM_KEPT) * first)


def test_what_is_said_beside_joins_the_prompt_as_far_as_asked() -> None:
    text, said = noise(4, 2, (6, 8)), noise(5, 3, (4, 8))  # two branches of 6 tokens, three frames of 4
    emphasis = torch.rand(2, 3, 6)
    wide, weights = join_tokens(text, emphasis, Tokens(said, torch.tensor([0.0, 0.5, 1.0])))
    assert wide.shape == (2, 3, 24, 8)
    assert weights is not None
    prompt, other = text[1].repeat(2, 1), said.repeat(1, 3, 1)
    torch.testing.assert_close(wide[0], text[0].repeat(4, 1).expand(3, -1, -1))
    assert torch.equal(wide[1, :, :12], prompt.expand(3, -1, -1))
    torch.testing.assert_close(wide[1, :, 12:], torch.stack([prompt, (prompt + other[1]) / 2, other[2]]))
    assert torch.equal(weights[:, 0], emphasis[:, 0].repeat(1, 4))
    torch.testing.assert_close(weights[1, 2], torch.cat([emphasis[1, 2].repeat(2), torch.ones(12)]))
    assert join_tokens(text[1:], None, Tokens(said, torch.zeros(3)))[0].shape == (1, 3, 24, 8)
