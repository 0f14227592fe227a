"""Channels beside the latents, for a UNet that takes more than four."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from vedit.adapters.loading import load_backbone
from vedit.backbone import Backbone
from vedit.condition import Condition
from vedit.entrances.channels import InputChannels
from vedit.errors import ConfigError
from vedit.priors.inversion import invert
from vedit.prompt import Prompt
from vedit.request import Request
from vedit.sampling.denoising import InjectionSource, denoise, noise
from vedit.sampling.guiders import ClassifierFree
from vedit.sampling.prediction import predict


@pytest.fixture(scope="module")
def plain(sd1: Path) -> Backbone:
    return load_backbone(sd1, device="cpu")


@pytest.fixture(scope="module")
def wide(plain: Backbone) -> Backbone:
    """The same model with a UNet that takes four channels more, as InstructPix2Pix's does; the rest is alike."""
    torch.manual_seed(0)
    unet = UNet2DConditionModel.from_config({**plain.unet.config, "in_channels": 8})
    own = plain.unet.state_dict()
    further = torch.randn_like(own["conv_in.weight"]) * 0.1
    unet.load_state_dict({**own, "conv_in.weight": torch.cat([own["conv_in.weight"], further], dim=1)})
    return Backbone(
        vae=plain.vae,
        text_encoder=plain.text_encoder,
        tokenizer=plain.tokenizer,
        unet=unet,
        scheduler_config=plain.scheduler_config,
    )


@torch.no_grad()
def test_it_sees_them_in_every_branch_as_strong_as_they_are(plain: Backbone, wide: Backbone) -> None:
    request = Request(noise(0, 2, (4, 8, 8)), 300, Prompt(plain.embed(["", "a cat"])))
    without = predict(wide, request)
    torch.testing.assert_close(without, predict(plain, request), atol=1e-5, rtol=1e-4)  # zeros where none are given
    seen = predict(wide, InputChannels(noise(1, 2, (4, 8, 8))).enter(request, torch.tensor([0.0, 1.0])))
    torch.testing.assert_close(seen[:, 0], without[:, 0], atol=1e-5, rtol=1e-4)
    assert ((seen[:, 1] - without[:, 1]).abs().amax((1, 2, 3)) > 1e-3).all()


def test_several_follow_each_other() -> None:
    request = Request(noise(0, 2, (4, 8, 8)), 300, Prompt(torch.zeros(1, 5, 8)))
    one, other = noise(1, 2, (1, 8, 8)), noise(2, 2, (3, 8, 8))
    for channels in (one, other):
        request = InputChannels(channels).enter(request, torch.ones(2))
    assert request.channels is not None
    assert torch.equal(request.channels, torch.cat([one, other], dim=1))


def test_a_denoising_an_inversion_and_a_source_with_them(wide: Backbone) -> None:
    x, schedule, text = noise(0, 2, (4, 8, 8)), wide.schedule(3), wide.embed(["a cat"])
    shown = [Condition(InputChannels(noise(1, 2, (4, 8, 8))), torch.ones(2))]
    guider = ClassifierFree(Prompt(text), Prompt(wide.embed([""])), 4.0)
    trace = invert(wide, x, text, 3, conditions=shown)
    assert (trace - invert(wide, x, text, 3)).abs().max() > 1e-3

    def run(conditions: list[Condition], source: InjectionSource | None = None) -> Tensor:
        return denoise(wide, trace[-1], schedule, guider, conditions=conditions, source=source)

    assert (run(shown) - run([])).abs().max() > 1e-3
    guided, free = (run(shown, InjectionSource(text, trace, 3, guided=each)) for each in (True, False))
    assert (guided - free).abs().max() > 1e-4


def test_more_than_it_takes_are_refused(plain: Backbone) -> None:
    request = Request(noise(0, 2, (4, 8, 8)), 300, Prompt(plain.embed(["a cat"])))
    with pytest.raises(ConfigError, match="takes 4 channels, and a condition gives 4 more"):
        predict(plain, InputChannels(noise(1, 2, (4, 8, 8))).enter(request, torch.ones(2)))
