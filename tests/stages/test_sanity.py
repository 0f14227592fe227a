"""Weights that run without an error and make no picture are told by the result."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch

from vedit import load_backbone
from vedit.errors import DeviceError, PartError, VeditWarning
from vedit.jobs.generate import generate
from vedit.stages.sanity import warn_if_degenerate
from vedit.tuning.one_shot import tune

SMALL = {"frames": 2, "steps": 2, "width": 32, "height": 32, "prior": "gaussian"}


@pytest.mark.parametrize(
    ("part", "factor", "said"),
    [
        ("vae", 0.0, "2 of 2 frames are of one colour"),
        ("unet", 0.0, "still the noise that they began with"),
        ("text_encoder", 0.0, "says the same of every word"),
        ("text_encoder", 30.0, "30 times as large"),
    ],
)
def test_weights_of_another_scale_are_told_by_the_result(part: str, factor: float, said: str, toy_model: Path) -> None:
    backbone = load_backbone(toy_model, device="cpu")
    for parameter in getattr(backbone, part).parameters():
        parameter.data.mul_(factor)
    with pytest.warns(VeditWarning, match=said):
        # Steps that add noise anew never leave the latents as they began.
        generate(backbone, "a cat", sampler="ddim", **SMALL)


def test_weights_beyond_all_numbers_are_an_error(toy_model: Path) -> None:
    backbone = load_backbone(toy_model, device="cpu")
    for parameter in backbone.vae.parameters():
        parameter.data.mul_(1e30)
    with pytest.raises(DeviceError, match=r"decoded clip came out as NaN.*weights of .* are whole"):
        generate(backbone, "a cat", **SMALL)


def test_only_black_and_full_light_is_no_picture() -> None:
    states, noise = torch.randn(1, 20, 12), torch.rand(2, 3, 16, 16)
    with pytest.warns(VeditWarning, match="100% of it is black or full light"):
        warn_if_degenerate("toy", noise.round(), states)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_if_degenerate("toy", noise, states)


def test_a_tuning_that_fails_leaves_the_model_as_it_was(toy_model: Path) -> None:
    backbone = load_backbone(toy_model, device="cpu")
    before, names = backbone.outline().state, set(backbone.unet.state_dict())
    frames = torch.rand(2, 3, 16, 16)
    with pytest.raises(PartError):
        tune(backbone, frames, "a cat", steps=1, attention="sparse_casual")
    with pytest.raises(ValueError, match="learning rate"):
        tune(backbone, frames, "a cat", steps=1, learning_rate=-1.0)
    assert backbone.outline().state == before
    assert set(backbone.unet.state_dict()) == names
    assert not any(each.requires_grad for each in backbone.unet.parameters())
