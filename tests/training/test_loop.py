"""The training loop: how its rate falls, that it resumes exactly, and that work shared by processes keeps its order."""

from __future__ import annotations

import operator
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from training.loop import Given, Recipe, Replayable, in_parallel, train


def test_the_rate_rises_stays_and_falls_with_the_steps() -> None:
    recipe = Recipe(steps=1000, learning_rate=1.0, warmup=100, decay_from=0.5)
    rates = [recipe.rate(step, recipe.done(step, 1e9)) for step in (0, 49, 300, 750, 999)]
    assert rates == pytest.approx([0.01, 0.5, 1.0, 0.5, 0.002])


def test_given_minutes_it_falls_with_the_time() -> None:
    recipe = Recipe(steps=10, learning_rate=1.0, warmup=1, decay_from=0.5, minutes=2.0)
    assert [recipe.rate(500, recipe.done(500, seconds)) for seconds in (0, 60, 90, 120, 999)] == [1, 1, 0.5, 0, 0]


def learnt(checkpoint: Path, steps: int) -> Tensor:
    torch.manual_seed(0)
    model = nn.Linear(3, 1)

    def loss(step: int, generator: torch.Generator) -> Tensor:
        given = torch.randn((8, 3), generator=generator)
        return (model(given)[:, 0] - given.sum(1)).square().mean()

    return train(model, loss, Recipe(steps, 1e-2, warmup=1, decay_from=1.0), checkpoint).weight.detach()


def in_two_parts(device: str, checkpoint: Path, *, apart: bool) -> Tensor:
    torch.manual_seed(0)
    model = nn.Linear(3, 1).to(device)

    def draw(step: int, generator: torch.Generator) -> Given:
        return torch.randn((8, 3), generator=generator).to(device), None

    def error(given: Tensor, _nothing: None) -> Tensor:
        return (model(given)[:, 0] - given.sum(1)).square().mean()

    loss = Replayable(draw, error)
    recipe = Recipe(20, 1e-2, warmup=5, decay_from=0.5)
    return train(model, loss if apart else lambda *at: loss(*at), recipe, checkpoint).weight.detach()


def test_a_loss_in_two_parts_is_one_loss(tmp_path: Path) -> None:
    apart = in_two_parts("cpu", tmp_path / "apart.pt", apart=True)
    assert torch.equal(apart, in_two_parts("cpu", tmp_path / "whole.pt", apart=False))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_recorded_step_is_the_step(tmp_path: Path) -> None:
    recorded = in_two_parts("cuda", tmp_path / "recorded.pt", apart=True)
    assert torch.allclose(recorded, in_two_parts("cuda", tmp_path / "launched.pt", apart=False), atol=1e-6)


def test_it_goes_on_where_it_was(tmp_path: Path) -> None:
    whole = learnt(tmp_path / "whole.pt", 20)
    learnt(tmp_path / "parts.pt", 7)
    assert torch.equal(learnt(tmp_path / "parts.pt", 20), whole)
    assert not torch.equal(whole, learnt(tmp_path / "short.pt", 7))


def test_what_processes_make_comes_in_order() -> None:
    assert list(in_parallel(partial(operator.mul, 3), range(40))) == [3 * number for number in range(40)]
