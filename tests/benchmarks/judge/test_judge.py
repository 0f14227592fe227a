"""The judge's network: what it says of frames has the right form, and it learns."""

import torch

import world
from benchmarks.judge import Judge, View
from benchmarks.judge.reading import KINDS
from benchmarks.judge.scenes import batch, shown
from benchmarks.judge.train import error


def test_it_says_something_of_every_place_and_frame() -> None:
    torch.manual_seed(0)
    judge, frames = Judge().eval(), torch.rand(2, 3, world.SIZE, world.SIZE)
    colour, kind, ground = judge(frames)
    assert colour.shape == (2, len(world.COLOURS) + 1, 64, 64)
    assert kind.shape == (2, len(KINDS) + 1, 64, 64)
    assert ground.shape == (2, len(world.BACKGROUNDS))
    views = judge.see(frames)
    assert [type(view) for view in views] == [View, View]
    assert all(seen.mask.shape == (world.SIZE, world.SIZE) for view in views for seen in view.objects)
    assert judge.features(frames).shape == (2, 96)


def test_it_learns() -> None:
    torch.manual_seed(0)
    judge, told = Judge(), batch(shown(seed) for seed in range(4))
    optimizer = torch.optim.AdamW(judge.parameters(), 3e-3)
    errors = []
    for _ in range(15):
        wrong = error(judge, *told)
        optimizer.zero_grad()
        wrong.backward()
        optimizer.step()
        errors.append(float(wrong.detach()))
    assert errors[-1] < 0.6 * errors[0]
