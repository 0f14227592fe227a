"""All branches as one batch, and one after the other where memory does not suffice; long clips in windows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.backbone import toys
from vedit.adapters.loading import load_backbone
from vedit.backbone import Backbone
from vedit.condition import Condition, enter
from vedit.entrances.channels import InputChannels
from vedit.entrances.energy import Energy
from vedit.entrances.image_tokens import ImageTokens
from vedit.entrances.residuals import AddResiduals, Residuals
from vedit.entrances.tokens import Tokens
from vedit.prompt import Prompt
from vedit.request import Request, Timestep
from vedit.sampling.denoising import noise
from vedit.sampling.prediction import Predictor, predict, seen_again
from vedit.windows import Windows


@pytest.fixture
def backbone(sd1: Path) -> Backbone:
    return load_backbone(sd1, device="cpu")


def residuals(backbone: Backbone) -> AddResiduals:
    """That raise the features of the middle block."""
    config = backbone.unet.config
    levels = len(config.block_out_channels)
    skips = 1 + levels * config.layers_per_block + levels - 1

    def control(x: Tensor, t: Timestep, text: Tensor, frames: slice) -> Residuals:
        mid = torch.ones(len(text) * len(x), config.block_out_channels[-1], 1, 1)
        return Residuals((mid.new_zeros(len(mid), 1, 1, 1),) * skips, mid)

    return AddResiduals(control)


def everything(backbone: Backbone) -> list[Condition]:
    width = backbone.unet.config.cross_attention_dim
    words = backbone.embed(["a cat", "a dog"])
    strength = torch.tensor([0.5, 1.0])
    return [
        Condition(Tokens(words, strength), strength),
        Condition(residuals(backbone), strength),
        Condition(ImageTokens(noise(3, 2, (3, width))), strength),
    ]


class Narrow:
    """Lets a network run on a few rows only, as a GPU with little memory does."""

    def __init__(self, backbone: Backbone, rows: int) -> None:
        self.batches: list[int] = []
        self.rows = rows
        backbone.unet.register_forward_pre_hook(self._check)

    def _check(self, _: Any, given: tuple[Tensor, ...]) -> None:
        self.batches.append(len(given[0]))
        if len(given[0]) > self.rows:
            raise torch.OutOfMemoryError


@torch.no_grad()
@pytest.mark.parametrize("injected", [False, True])
def test_branches_one_by_one_are_what_they_are_together(backbone: Backbone, injected: bool) -> None:
    x, text = noise(0, 2, (4, 8, 8)), backbone.embed(["", "a cat"])
    weights = torch.ones(2, 2, text.shape[1])
    weights[1, :, 2] = 2.0
    request = enter(everything(backbone), Request(x, 300, Prompt(text, weights)), (0.0, 0.1))
    source = Request(noise(1, 2, (4, 8, 8)), 300, Prompt(text[:1])) if injected else None
    together = Predictor(backbone)(request, source)
    assert together.shape == (3, 2, 4, 8, 8)
    narrow, one_by_one = Narrow(backbone, rows=4 if injected else 2), Predictor(backbone)
    torch.testing.assert_close(one_by_one(request, source), together, atol=1e-5, rtol=1e-4)
    seen = len(narrow.batches)
    one_by_one(request, source)
    assert len(narrow.batches) == seen + 3, "what was once too large is not tried again"


@torch.no_grad()
def test_a_request_that_nothing_has_entered_is_the_network_as_it_is(backbone: Backbone) -> None:
    x, text = noise(0, 2, (4, 8, 8)), backbone.embed(["", "a cat"])
    request = Request(x, 300, Prompt(text))
    assert enter(
        [Condition(each.entrance, each.envelope, 0.5) for each in everything(backbone)], request, (0, 0.1)
    ) is (request)
    assert torch.equal(Predictor(backbone)(request), backbone.predict(x.expand(2, *x.shape), 300, text))


@torch.no_grad()
def test_residuals_of_the_source_are_its_own_or_none(backbone: Backbone) -> None:
    x, text = noise(0, 2, (4, 8, 8)), backbone.embed(["a cat"])
    plain = Request(x, 300, Prompt(text))
    raised = residuals(backbone).enter(plain, torch.ones(2))
    own, lent = (predict(backbone, raised, source) for source in (raised, plain))
    torch.testing.assert_close(own, predict(backbone, raised), atol=1e-5, rtol=1e-4)  # lends to its equal
    assert (lent - own).abs().max() > 1e-4


def test_channels_of_the_source_are_zeros_where_none_hold_for_it() -> None:
    x = noise(0, 2, (4, 8, 8))
    given = InputChannels(noise(1, 2, (4, 8, 8))).enter(Request(x, 300, Prompt(torch.zeros(1, 5, 8))), torch.ones(2))
    assert given.channels is not None
    assert given.split()[0].channels is given.channels, "all branches see the same"


FRAMES, WINDOWS = 7, Windows(4, 2)


def long_request(backbone: Backbone) -> Request:
    """Of seven frames, with all that may differ from frame to frame."""
    words = backbone.embed(["a cat", "a dog", "red", "a red cat", "a dog on a mat", "cats", "dogs"])
    text = torch.stack([backbone.embed([""]).expand_as(words), words])
    weights = torch.ones(2, FRAMES, text.shape[2])
    weights[1, :, 2] = torch.linspace(0, 2, FRAMES)
    strength, width = torch.linspace(0.2, 1, FRAMES), backbone.unet.config.cross_attention_dim
    conditions = [
        Condition(Tokens(words.flip(0), strength), strength),
        Condition(residuals(backbone), strength),
        Condition(ImageTokens(noise(3, FRAMES, (3, width))), strength),
    ]
    times = torch.linspace(900, 20, FRAMES).long()
    return enter(conditions, Request(noise(0, FRAMES, (4, 8, 8)), times, Prompt(text, weights)), (0.0, 0.1))


@torch.no_grad()
@pytest.mark.parametrize("injected", [False, True])
@pytest.mark.parametrize("kind", ["per_frame", "first_frame"])
def test_windows_are_the_whole_clip_where_frames_see_no_other_but_the_first(
    backbone: Backbone, kind: str, injected: bool
) -> None:
    request = long_request(backbone)
    text = backbone.embed(["a cat"])
    source = Request(noise(1, FRAMES, (4, 8, 8)), request.timestep, Prompt(text)) if injected else None
    if source is not None:
        source = residuals(backbone).enter(source, torch.linspace(1, 0.2, FRAMES))
    with backbone.attending(kind):
        whole = Predictor(backbone)(request, source)
    with backbone.attending(kind, windows=WINDOWS):
        for step in range(3):
            torch.testing.assert_close(Predictor(backbone)(request, source, step=step), whole, atol=1e-5, rtol=1e-4)
        narrow = Narrow(backbone, rows=8 if injected else 4)
        torch.testing.assert_close(Predictor(backbone)(request, source), whole, atol=1e-5, rtol=1e-4)
        assert max(narrow.batches) == (16 if injected else 12), "a window of all branches, and then one by one"


@torch.no_grad()
@pytest.mark.parametrize("kind", ["sparse_causal", "full", "first_frame"])
def test_a_clip_that_fits_has_the_same_bytes(backbone: Backbone, kind: str) -> None:
    request = long_request(backbone)
    with backbone.attending(kind):
        whole = Predictor(backbone)(request)
    with backbone.attending(kind, windows=Windows(FRAMES, 3)):
        assert torch.equal(Predictor(backbone)(request, step=1), whole)
    assert backbone.windows is None


@torch.no_grad()
def test_anchored_windows_come_nearer_to_the_whole_clip(backbone: Backbone) -> None:
    request, step = long_request(backbone), 1
    with backbone.attending("sparse_causal"):
        whole = Predictor(backbone)(request)
        plain = torch.cat(
            [
                predict(backbone, request.with_all_branches().frames(each.frames))[:, each.taken]
                for each in WINDOWS.of_step(FRAMES, step)
            ],
            dim=1,
        )
    with backbone.attending("sparse_causal", windows=WINDOWS):
        anchored = Predictor(backbone)(request, step=step)
    first = WINDOWS.of_step(FRAMES, step)[0].stop
    assert torch.equal(anchored[:, :first], plain[:, :first])
    assert (anchored - whole).square().mean() < 0.5 * (plain - whole).square().mean()


@torch.no_grad()
def test_a_source_alike_the_request_lends_it_nothing_new_in_windows(backbone: Backbone) -> None:
    """Anchors of the source and of the request are kept apart, also those of a control that both go through."""
    x, text = noise(0, FRAMES, (4, 8, 8)), backbone.embed(["a cat"])
    request = residuals(backbone).enter(Request(x, 300, Prompt(text)), torch.ones(FRAMES))
    with backbone.attending("sparse_causal", windows=WINDOWS):
        alone = Predictor(backbone)(request)
        torch.testing.assert_close(Predictor(backbone)(request, request), alone, atol=1e-5, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("windows", [None, WINDOWS])
def test_in_a_loop_the_first_frame_follows_the_last(backbone: Backbone, windows: Windows | None) -> None:
    x, text = noise(0, FRAMES, (4, 8, 8)), backbone.embed(["a cat"])
    other = x.clone()
    other[-1] = noise(9, 1, (4, 8, 8))[0]

    def changed(frame: int, *, loop: bool, step: int) -> bool:
        found = [Predictor(backbone, loop=loop)(Request(each, 300, Prompt(text)), step=step) for each in (x, other)]
        return bool((found[0] - found[1])[0, frame].abs().max() > 1e-5)

    with backbone.attending("sparse_causal", windows=windows):
        for step in range(4):
            assert changed(0, loop=True, step=step)
            assert not changed(0, loop=False, step=step)


@torch.no_grad()
@pytest.mark.parametrize("windows", [None, WINDOWS])
def test_a_loop_is_the_clip_where_frames_see_no_other(backbone: Backbone, windows: Windows | None) -> None:
    """Whatever differs from frame to frame goes round with its frame."""
    request = long_request(backbone)
    with backbone.attending("per_frame"):
        whole = Predictor(backbone)(request)
    with backbone.attending("per_frame", windows=windows):
        for step in range(4):
            found = Predictor(backbone, loop=True)(request, step=step)
            torch.testing.assert_close(found, whole, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("frames", "again"), [(31, 1), (32, 0), (33, 8)])
def test_motion_modules_see_a_frame_of_a_loop_twice_where_they_have_a_place_for_it(
    frames: int, again: int, tmp_path: Path
) -> None:
    wide = toys.sd_folder(tmp_path / "wide", width=32, layers=1, levels=2)
    toys.motion_adapter(wide).save_pretrained(tmp_path / "motion")
    backbone = load_backbone(wide, device="cpu", motion_adapter=tmp_path / "motion")
    assert seen_again(backbone, frames) == again
    with backbone.attending("per_frame", windows=Windows(8, 3)):
        assert seen_again(backbone, frames) == 3


@torch.no_grad()
def test_with_a_stride_motion_modules_see_the_end_of_a_long_clip_from_its_beginning(tmp_path: Path) -> None:
    wide = toys.sd_folder(tmp_path / "wide", width=32, layers=1, levels=2)
    toys.motion_adapter(wide).save_pretrained(tmp_path / "motion")
    backbone = load_backbone(wide, device="cpu", motion_adapter=tmp_path / "motion")
    x, text = noise(0, 113, (4, 4, 4)), backbone.embed(["a cat"])
    other = x.clone()
    other[112] = noise(9, 1, (4, 4, 4))[0]

    def told(frames: Tensor, step: int) -> Tensor:
        with backbone.attending("per_frame"):
            return Predictor(backbone, strided_steps=3)(Request(frames, 300, Prompt(text)), step=step)

    changed = [bool((told(x, step) - told(other, step))[0, 0].abs().max() > 1e-6) for step in range(5)]
    assert changed == [True, False, True, False, False], "every second one of the first steps"
    short = x[:32]
    assert torch.equal(told(short, 0), told(short, 4)), "a clip that is seen whole needs no stride"


def test_energies_belong_to_the_whole_clip() -> None:
    def energy(latents: Tensor) -> Tensor:
        return latents.square().sum()

    request = Request(noise(0, 4, (4, 8, 8)), 300, Prompt(torch.zeros(1, 5, 8)))
    led = Energy(energy).enter(request, torch.ones(4))
    assert led.energies
    cut = led.frames(range(1, 3)).frames(range(1, 2))
    assert cut.energies == ()
    assert cut.indices == range(2, 3)
    assert list(led.frames([0, 3]).frames([1]).indices or ()) == [3]
    assert torch.equal(cut.latents, request.latents[2:3])


def test_branches_beside_guide_some_frames_as_they_guide_all() -> None:
    x, words, cut = noise(0, 4, (4, 8, 8)), noise(1, 4, (5, 8)), slice(1, 3)
    tokens, strength = Tokens(words, torch.ones(4), momentum=0.5), torch.rand(4)
    whole, some = (tokens.enter(Request(x, 300, Prompt(words[:1])), strength) for _ in range(2))
    some = some.frames(range(1, 3))
    assert some.with_all_branches().prompt.states.shape == (2, 2, 10, 8)
    outputs, scale = noise(2, 8, (4, 8, 8)).unflatten(0, (2, 4)), [1.0, 2.0, 3.0, 4.0]
    for _ in range(2):  # with momentum
        led = some.lead(outputs[:, cut], scale[cut], cut)
        torch.testing.assert_close(led, whole.lead(outputs, scale, slice(0, 4))[cut])


def test_gradients_reach_the_frames_of_all_windows(backbone: Backbone) -> None:
    x = noise(0, FRAMES, (4, 8, 8)).requires_grad_()
    with backbone.attending("first_frame", windows=WINDOWS):
        output = Predictor(backbone)(Request(x, 300, Prompt(backbone.embed(["a cat"]))), step=1)
    (gradient,) = torch.autograd.grad(output[0, -1].square().sum(), x)
    assert (gradient.abs().amax((1, 2, 3)) > 0).tolist() == [True, *[False] * (FRAMES - 2), True]
