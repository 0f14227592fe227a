"""A queue of frames at all levels of noise."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from vedit.adapters.loading import load_backbone
from vedit.backbone import Backbone
from vedit.condition import Condition
from vedit.entrances.energy import Energy
from vedit.entrances.residuals import AddResiduals, Residuals
from vedit.entrances.tokens import Tokens
from vedit.errors import ConfigError
from vedit.prompt import Prompt
from vedit.request import Frames, Timestep
from vedit.sampling.denoising import denoise, noise
from vedit.sampling.fifo import Queue, blocks, denoise_queue, passes, rounds
from vedit.sampling.guiders import ClassifierFree, Guider, Unguided


@pytest.fixture(scope="module")
def backbone(toy_model: Path) -> Backbone:
    return load_backbone(toy_model, device="cpu")


def guided(backbone: Backbone, frames: int) -> Guider:
    prompt, negative = backbone.embed(["a cat", ""]).split(1)
    return ClassifierFree(Prompt(prompt), Prompt(negative), [3.0 + frame / 10 for frame in range(frames)])


@pytest.mark.parametrize(("frames", "steps", "at_once"), [(9, 6, 4), (9, 3, 4), (5, 9, 4), (30, 8, 2), (7, 2, 5)])
def test_each_frame_takes_each_step_once_and_in_order(
    backbone: Backbone, frames: int, steps: int, at_once: int
) -> None:
    guider = Unguided(Prompt(backbone.embed([""])))
    queue = Queue(backbone, noise(0, frames, (4, 2, 2)), backbone.schedule(steps), guider, at_once, ())
    taken: list[list[int]] = [[] for _ in range(frames)]
    count, most = 0, 0
    for which, ages in queue.rounds():
        count += 1
        if count > steps:
            most = max(most, which.stop - which.start)
        for frame, age in zip(range(which.start, which.stop), ages.tolist(), strict=True):
            taken[frame].append(age)
    every = list(range(steps))
    for frame, ages in enumerate(taken):
        again = every[max(0, at_once - 1 - frame) :]
        assert ages == (every + again if frame < at_once else every)
    assert count == rounds(frames, steps, at_once)
    assert most <= steps


def test_blocks_show_what_lies_before_and_take_each_frame_once() -> None:
    for finished in (0, 1, 3, 7):
        for queued in range(1, 30):
            found = list(blocks(finished, finished + queued, 8))
            assert [frame for each in found for frame in range(each.start, each.stop)] == list(
                range(finished, finished + queued)
            )
            for each in found:
                assert each.last - each.first == min(8, finished + queued)
                assert each.start - each.first >= min(4, each.start)
    assert passes(40, 16, 8) == 16 * 8 + sum(
        8 * len(list(blocks(min(first, 7), stop - first + min(first, 7), 8)))
        for first, stop in ((max(0, 8 + turn - 16), min(40, 8 + turn)) for turn in range(16 + 40 - 8))
    )


def test_a_clip_that_is_seen_whole_is_sampled_as_ever(backbone: Backbone) -> None:
    x, schedule = noise(0, 4, (4, 8, 8)), backbone.schedule(3)
    with backbone.attending("sparse_causal"):
        queued = denoise_queue(backbone, x, schedule, guided(backbone, 4), at_once=4)
        whole = denoise(backbone, x, schedule, guided(backbone, 4))
    torch.testing.assert_close(queued, whole, atol=1e-5, rtol=1e-4)


def test_a_long_clip_is_finite_repeats_and_never_shows_the_network_more(backbone: Backbone) -> None:
    x, schedule, batches = noise(0, 11, (4, 8, 8)), backbone.schedule(6), []
    hook = backbone.unet.register_forward_pre_hook(lambda _, given: batches.append((len(given[0]), given[1])))
    with backbone.attending("sparse_causal"):
        made = denoise_queue(backbone, x, schedule, guided(backbone, 11), at_once=4)
        hook.remove()
        again = denoise_queue(backbone, x, schedule, guided(backbone, 11), at_once=4)
    assert torch.isfinite(made).all()
    assert torch.equal(made, again)
    assert (made - x).abs().amin((1, 2, 3)).max() < (made - x).abs().max()
    assert max(rows for rows, _ in batches) == 2 * 4, "two branches of four frames"
    assert len(batches) == passes(11, 6, 4) / 4
    diagonal = [times for rows, times in batches if times.ndim and len(times[:4].unique()) == 4]
    assert diagonal, "frames of one block have timesteps of their own"
    assert all((times[:3] <= times[1:4]).all() for times in diagonal), "the later the noisier"


def test_conditions_act_in_each_frame_during_their_own_steps(backbone: Backbone) -> None:
    seen: list[tuple[slice, Tensor, Tensor]] = []
    levels, layers = len(backbone.unet.config.block_out_channels), backbone.unet.config.layers_per_block
    skips, width = 1 + levels * layers + levels - 1, backbone.unet.config.block_out_channels[-1]

    def control(x: Tensor, t: Timestep, text: Tensor, frames: Frames) -> Residuals:
        assert isinstance(frames, slice)
        assert isinstance(t, Tensor)
        seen.append((frames, t, x))
        mid = torch.ones(len(text) * len(x), width, 1, 1)
        return Residuals((mid.new_zeros(len(mid), 1, 1, 1),) * skips, mid)

    words = backbone.embed(["a cat"]).expand(9, -1, -1)
    steering = [
        Condition(AddResiduals(control), torch.ones(9), start=0.5),
        Condition(Tokens(words, torch.full((9,), 0.5), momentum=0.5), torch.linspace(0, 1, 9)),
    ]
    x, schedule = noise(0, 9, (4, 8, 8)), backbone.schedule(4)
    made = denoise_queue(backbone, x, schedule, guided(backbone, 9), at_once=4, conditions=steering)
    plain = denoise_queue(backbone, x, schedule, guided(backbone, 9), at_once=4)
    assert (made - plain).abs().amax((1, 2, 3)).min() > 1e-4
    assert {frames.stop for frames, _, _ in seen} >= {4, 9}
    assert all(len(t) == len(x) == frames.stop - frames.start for frames, t, x in seen)


def test_what_looks_at_the_whole_clip_is_refused(backbone: Backbone) -> None:
    steering = [Condition(Energy(lambda clean: clean.square().sum()), torch.ones(6))]
    with pytest.raises(ConfigError, match="fifo: a condition looks at the whole clip"):
        denoise_queue(
            backbone, noise(0, 6, (4, 8, 8)), backbone.schedule(2), guided(backbone, 6), at_once=4, conditions=steering
        )
