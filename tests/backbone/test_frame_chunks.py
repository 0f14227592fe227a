"""Where memory runs out: the network goes on with less at a time, says the same, and holds nothing of what failed."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor

from vedit.adapters.loading import load_backbone
from vedit.backbone import Backbone
from vedit.backbone.frame_chunks import FRAMES_PER_CHUNK, in_chunks
from vedit.masks import compare_prompts, word_mask
from vedit.priors.inversion import invert
from vedit.prompt import Prompt
from vedit.sampling.denoising import InjectionSource, denoise, noise
from vedit.sampling.guiders import ClassifierFree, Unguided
from vedit.tuning.one_shot import tune

FRAMES = 6
"""More than a piece, fewer than two."""


@pytest.fixture
def backbone(sd1: Path) -> Backbone:
    return load_backbone(sd1, device="cpu")


class Scarce:
    """Memory that holds one resnet of more than so many rows, and not a second; and what is alive of a failed pass."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
        self.failures, self.held = 0, 0
        large: list[weakref.ref[Tensor]] = []
        plain = ResnetBlock2D.forward

        def forward(block: ResnetBlock2D, x: Tensor, *others: Any, **named: Any) -> Tensor:
            if len(x) <= rows:
                self.held += sum(each() is not None for each in large)
                large.clear()
            elif not large:
                large.append(weakref.ref(x))
            else:
                self.failures += 1
                raise torch.OutOfMemoryError("simulated")
            return plain(block, x, *others, **named)

        monkeypatch.setattr(ResnetBlock2D, "forward", forward)


def predicted(backbone: Backbone, branches: int = 1, frames: int = FRAMES) -> Tensor:
    x = noise(1, branches * frames, (4, 8, 8)).unflatten(0, (branches, frames))
    with torch.no_grad(), backbone.attending("sparse_causal"):
        return backbone.predict(x, 400, backbone.embed(["a cat", "a dog"][:branches]))


@pytest.mark.parametrize("attach", ["nothing", "temporal", "clip-wide norm"])
def test_pieces_say_the_same(backbone: Backbone, attach: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if attach == "temporal":
        backbone.layers.attach_temporal()
        torch.nn.init.normal_(next(p for n, p in backbone.unet.named_parameters() if "attn_temp.to_out" in n), std=0.5)
    if attach == "clip-wide norm":
        backbone.layers.use_clip_wide_norm()
    whole = predicted(backbone, 2)
    monkeypatch.setattr("vedit.backbone.frame_chunks.FRAMES_PER_CHUNK", 2)
    with in_chunks(backbone.unet):
        torch.testing.assert_close(predicted(backbone, 2), whole, atol=1e-5, rtol=1e-4)
    assert torch.equal(predicted(backbone, 2), whole)
    assert not any("forward" in vars(module) for module in backbone.unet.modules())


def test_what_was_too_large_is_not_tried_again_and_less_is(backbone: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = predicted(backbone)
    memory = Scarce(monkeypatch, FRAMES_PER_CHUNK)
    for _ in range(3):
        torch.testing.assert_close(predicted(backbone), expected, atol=1e-5, rtol=1e-4)
    assert memory.failures == 1
    predicted(backbone, frames=FRAMES - 1)
    assert memory.failures == 2
    monkeypatch.undo()
    few = predicted(backbone, frames=2)
    with in_chunks(backbone.unet):
        assert torch.equal(predicted(backbone, frames=2), few)


Job = Callable[[Backbone], Tensor]


def inverted(backbone: Backbone) -> Tensor:
    return invert(backbone, noise(0, FRAMES, (4, 8, 8)), backbone.embed(["a cat"]), 2, corrections=1)


def masked(backbone: Backbone) -> Tensor:
    words = backbone.embed(["a cat", "a dog"]).split(1)
    return compare_prompts(backbone, noise(0, FRAMES, (4, 8, 8)), *words)[0].mask()


def looked_for(backbone: Backbone) -> Tensor:
    return word_mask(backbone, noise(0, FRAMES, (4, 8, 8)), backbone.embed(["a cat"]), [2])


def reconstructed(backbone: Backbone) -> Tensor:
    guider = Unguided(Prompt(backbone.embed(["a cat"])))
    return denoise(backbone, noise(0, FRAMES, (4, 8, 8)), backbone.schedule(2), guider)


def edited(backbone: Backbone) -> Tensor:
    words = backbone.embed(["a cat"])
    trace = noise(5, 3 * FRAMES, (4, 8, 8)).unflatten(0, (3, FRAMES))
    guider = ClassifierFree(Prompt(backbone.embed(["a dog"])), Prompt(backbone.embed([""])), 3.0)
    return denoise(backbone, trace[-1], backbone.schedule(2), guider, source=InjectionSource(words, trace, 1))


@pytest.mark.parametrize("job", [inverted, masked, looked_for, reconstructed, edited])
def test_every_stage_goes_on_in_less(backbone: Backbone, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = job(backbone)
    memory = Scarce(monkeypatch, FRAMES_PER_CHUNK)
    torch.testing.assert_close(job(backbone), expected, atol=1e-3, rtol=1e-3)
    assert memory.failures
    assert not memory.held


@pytest.mark.parametrize("job", [masked, edited])
def test_branches_go_alone_where_pieces_are_too_large(
    backbone: Backbone, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = job(backbone)
    monkeypatch.setattr("vedit.backbone.frame_chunks.FRAMES_PER_CHUNK", 100)
    memory = Scarce(monkeypatch, 2 * FRAMES if job is edited else FRAMES)
    torch.testing.assert_close(job(backbone), expected, atol=1e-3, rtol=1e-3)
    assert memory.failures


def test_what_is_too_large_even_so_is_told(backbone: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    Scarce(monkeypatch, 0)
    with pytest.raises(torch.OutOfMemoryError):
        inverted(backbone)


class _Weight(torch.autograd.Function):
    """Passes on what it is given; its gradient asks for memory."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, ask: Callable[[], None]) -> Tensor:
        ctx.ask = ask
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        ctx.ask()
        return gradient, None


@pytest.mark.parametrize("where", ["forward", "backward"])
def test_tuning_trades_time_for_memory(
    backbone: Backbone, sd1: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = torch.rand((2, 3, 64, 64), generator=torch.Generator().manual_seed(0))
    expected = tune(load_backbone(sd1, device="cpu"), frames, "a cat", steps=2, learning_rate=1e-3)
    plain, alive, failures = ResnetBlock2D.forward, [], []

    def ask() -> None:
        if not backbone.unet.is_gradient_checkpointing:
            failures.append(len(alive))
            raise torch.OutOfMemoryError("simulated")

    def forward(block: ResnetBlock2D, x: Tensor, *others: Any, **named: Any) -> Tensor:
        if failures:  # what the failed pass made is gone by now
            assert not any(each() is not None for each in alive)
        elif torch.is_grad_enabled():
            alive.append(weakref.ref(x))
            if where == "forward" and len(alive) == 5:
                ask()
        made = plain(block, x, *others, **named)
        return _Weight.apply(made, ask) if where == "backward" else made

    monkeypatch.setattr(ResnetBlock2D, "forward", forward)
    found = tune(backbone, frames, "a cat", steps=2, learning_rate=1e-3)
    assert len(failures) == 1
    assert failures[0] > 1
    for name, tensor in expected.tensors.items():
        torch.testing.assert_close(found.tensors[name], tensor, atol=1e-5, rtol=0)
    assert not backbone.unet.is_gradient_checkpointing
