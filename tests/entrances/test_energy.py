"""Steering down an energy: where it leads, and what it costs where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from vedit import mapped
from vedit.adapters.loading import load_backbone
from vedit.backbone import Backbone
from vedit.condition import Condition
from vedit.entrances.energy import Energy, EnergyOfFrames
from vedit.prompt import Prompt
from vedit.request import Request
from vedit.sampling.denoising import denoise, noise
from vedit.sampling.guiders import ClassifierFree, Guider
from vedit.sampling.prediction import predict
from vedit.schedule import Schedule

SCALED = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


@pytest.fixture(scope="module", params=["sd1", "sd2"], ids=["epsilon", "v"])
def backbone(request: pytest.FixtureRequest) -> Backbone:
    folder: Path = request.getfixturevalue(request.param)
    return load_backbone(folder, device="cpu")


def guider(backbone: Backbone) -> Guider:
    return ClassifierFree(Prompt(backbone.embed(["a cat"])), Prompt(backbone.embed([""])), 4.0)


def brightness(clean: Tensor) -> Tensor:
    """Falls as the first channel comes near 1."""
    return (clean[:, 0] - 1).square().sum()


@pytest.mark.parametrize("through_network", [True, False])
def test_the_clip_goes_down_its_energy(backbone: Backbone, through_network: bool) -> None:
    x, schedule = noise(0, 2, (4, 8, 8)), backbone.schedule(6)

    def energies(strength: Tensor) -> Tensor:
        condition = Condition(Energy(brightness, through_network), strength)
        made = denoise(backbone, x, schedule, guider(backbone), conditions=[condition])
        assert not made.requires_grad
        return torch.stack([brightness(frame[None]) for frame in made])

    free, led, half = (energies(torch.tensor(each)) for each in ([0.0, 0.0], [0.1, 0.1], [0.1, 0.0]))
    assert (led < 0.9 * free).all()
    # Each frame by its own strength: they do not see each other here.
    torch.testing.assert_close(half[0], led[0], atol=1e-2, rtol=1e-3)
    torch.testing.assert_close(half[1], free[1], atol=1e-2, rtol=1e-3)


def test_the_gradient_is_that_of_the_whole_step(backbone: Backbone) -> None:
    """Against a difference of two predictions, the network's part included."""
    x, schedule, text = noise(1, 1, (4, 8, 8)), backbone.schedule(6), backbone.embed(["a cat"])
    index, t = 2, int(backbone.schedule(6).timesteps[2])

    def energy_at(latents: Tensor) -> Tensor:
        output = predict(backbone, Request(latents, t, Prompt(text)))[0]
        return brightness(schedule.clean(latents, output, index=index))

    request = Energy(brightness).enter(Request(x, t, Prompt(text)), torch.ones(1))
    assert request.latents.requires_grad
    gradient = request.gradient(predict(backbone, request)[0], schedule, index, slice(0, 1))
    assert gradient is not None
    aside = noise(2, 1, (4, 8, 8)) * 1e-2
    with torch.no_grad():
        risen = energy_at(x + aside) - energy_at(x - aside)
    torch.testing.assert_close((gradient * 2 * aside).sum(), risen, rtol=1e-2, atol=1e-2)


def test_several_energies_add_up(backbone: Backbone) -> None:
    x, schedule = noise(0, 2, (4, 8, 8)), backbone.schedule(2)

    def run(*strengths: float) -> Tensor:
        conditions = [Condition(Energy(brightness), torch.full((2,), each)) for each in strengths]
        return denoise(backbone, x, schedule, guider(backbone), conditions=conditions)

    torch.testing.assert_close(run(0.01, 0.02), run(0.03), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("chunk", [4, 8])
def test_an_energy_that_is_a_sum_over_frames_is_taken_of_a_few_at_a_time(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    x, schedule, strength = noise(0, 9, (4, 8, 8)), backbone.schedule(3), torch.linspace(0, 0.2, 9)
    seen: list[tuple[int, int]] = []

    def away_from_first(clean: Tensor) -> Tensor:
        return (clean - clean[:1].detach()).square().sum()

    def of_frames(clean: Tensor, first: Tensor, cut: slice) -> Tensor:
        seen.append((cut.start, cut.stop))
        assert len(clean) == cut.stop - cut.start
        return (clean - first).square().sum()

    whole = Condition(Energy(away_from_first, through_network=False), strength)
    expected = denoise(backbone, x, schedule, guider(backbone), conditions=[whole])
    monkeypatch.setattr(mapped, "CHUNK", chunk)
    led = Condition(EnergyOfFrames(of_frames), strength)
    assert torch.equal(denoise(backbone, x, schedule, guider(backbone), conditions=[led]), expected)
    assert seen[: 1 + 8 // chunk] == [(first, min(9, first + chunk)) for first in range(0, 9, chunk)]


def test_an_energy_of_frames_leads_the_frames(backbone: Backbone) -> None:
    x, schedule = noise(0, 1, (4, 8, 8)), backbone.schedule(4)

    def darkness(clean: Tensor) -> Tensor:
        return backbone.decode_with_gradient(clean).sum()

    free, led = (
        backbone.decode(denoise(backbone, x, schedule, guider(backbone), conditions=each)).sum()
        for each in ([], [Condition(Energy(darkness, through_network=False), torch.full((1,), 0.05))])
    )
    assert led < free


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_descending_moves_the_predicted_noise_by_its_level(prediction: str) -> None:
    schedule = Schedule.from_config({**SCALED, "prediction_type": prediction}, 10)
    x, output, gradient = (noise(seed, 2, (4, 8, 8)) for seed in (1, 2, 3))
    level = schedule.levels[4]
    _, before = schedule.clean_and_noise(x, output, level)
    clean, after = schedule.clean_and_noise(x, schedule.descend(output, gradient, 4), level)
    torch.testing.assert_close(after - before, level.noise * gradient, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(level.noised(clean, after), x, atol=1e-4, rtol=1e-4)
