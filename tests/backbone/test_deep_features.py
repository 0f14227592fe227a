"""Deep features kept over steps: the same network where nothing has changed, beside all that enters it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.backbone import toys
from vedit.adapters.loading import load_backbone
from vedit.backbone import Backbone
from vedit.backbone.control import load_controlnet
from vedit.backbone.deep_features import DeepFeatures, Turns
from vedit.backbone.temporal import temporal_layers
from vedit.sampling.denoising import noise

FRAMES = 3

Model = Callable[[Path], Backbone]


def of_levels(levels: int, layers: int, linear: bool = False) -> Model:
    def made(folder: Path) -> Backbone:
        prediction = "v_prediction" if linear else "epsilon"
        path = toys.sd_folder(folder / "model", levels=levels, layers=layers, linear=linear, prediction=prediction)
        return load_backbone(path, device="cpu")

    return made


def with_motion(folder: Path) -> Backbone:
    path = toys.sd_folder(folder / "model", levels=2, width=32)
    backbone = load_backbone(path, device="cpu")
    backbone.layers.attach_motion(toys.motion_adapter(path))
    return backbone


def tuned(folder: Path) -> Backbone:
    """As Tune-A-Video's checkpoints are: with temporal attention, and norms over all frames."""
    backbone = of_levels(2, 2)(folder)
    backbone.layers.attach_temporal(positions=True)
    for layer in temporal_layers(backbone.unet):
        torch.nn.init.normal_(layer.to_out[0].weight, std=0.1)
    backbone.layers.use_clip_wide_norm()
    return backbone


MODELS: dict[str, Model] = {
    "one level": of_levels(1, 1),
    "two levels of one layer": of_levels(2, 1),
    "four levels of two layers": of_levels(4, 2),
    "Stable Diffusion 2": of_levels(4, 2, linear=True),
    "three layers": of_levels(2, 3),
    "motion modules": with_motion,
    "tuned": tuned,
}


def inputs(backbone: Backbone, branches: int = 2, seed: int = 0) -> tuple[Tensor, int, Tensor]:
    x = noise(seed, FRAMES, (4, 8, 8)).expand(branches, -1, -1, -1, -1)
    return x, 300, backbone.embed(["", "a cat", "a dog"][:branches])


@torch.no_grad()
@pytest.mark.parametrize("model", MODELS)
def test_what_was_kept_of_a_run_makes_that_run_again(model: str, tmp_path: Path) -> None:
    backbone = MODELS[model](tmp_path)
    with backbone.attending("sparse_causal"):
        plain, features = backbone.predict(*inputs(backbone)), DeepFeatures(FRAMES)
        with backbone.keeping_deep(features):
            assert torch.equal(backbone.predict(*inputs(backbone)), plain)
            features.filling = False
            assert torch.equal(backbone.predict(*inputs(backbone)), plain)
            other = backbone.predict(*inputs(backbone, seed=1))
        fresh = backbone.predict(*inputs(backbone, seed=1))
    assert (other - plain).abs().max() > 1e-3, "it sees its own latents"
    assert (other - fresh).abs().max() > 1e-4, "and what was said of others"


@torch.no_grad()
def test_less_of_the_network_runs(sd1: Path) -> None:
    backbone, ran = load_backbone(sd1, device="cpu"), []
    for name, module in backbone.unet.named_modules():
        if name.count(".") == 3 and ".resnets." in f".{name}":
            module.register_forward_hook(lambda *_, name=name: ran.append(name))
    features = DeepFeatures(FRAMES)
    with backbone.keeping_deep(features):
        backbone.predict(*inputs(backbone))
        features.filling = False
        del ran[:]
        backbone.predict(*inputs(backbone))
    assert not any(name.startswith(("mid_block", "up_blocks.0", "down_blocks.1")) for name in ran)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["per_frame", "sparse_causal", "full", "first_frame"])
@pytest.mark.parametrize("inject", [False, True])
def test_beside_a_source_under_any_attention(sd1: Path, kind: str, inject: bool) -> None:
    backbone, features = load_backbone(sd1, device="cpu"), DeepFeatures(FRAMES)
    with backbone.attending(kind):
        plain = backbone.predict(*inputs(backbone, 3), inject=inject)
        with backbone.keeping_deep(features):
            backbone.predict(*inputs(backbone, 3), inject=inject)
            features.filling = False
            assert torch.equal(backbone.predict(*inputs(backbone, 3), inject=inject), plain)


@torch.no_grad()
def test_residuals_rest_and_are_those_that_were_kept(sd1: Path, tmp_path: Path) -> None:
    backbone, features = load_backbone(sd1, device="cpu"), DeepFeatures(FRAMES)
    net = load_controlnet("edge", str(toys.controlnet_folder(backbone.unet, tmp_path / "net", 8)), backbone)
    x, t, text = inputs(backbone)
    residuals = net(torch.rand(FRAMES, 3, 64, 64), x[0], t, text)
    plain = backbone.predict(x, t, text, residuals=residuals)
    assert not torch.equal(plain, backbone.predict(x, t, text))
    with backbone.keeping_deep(features):
        assert not backbone.outermost_alone
        backbone.predict(x, t, text, residuals=residuals)
        features.filling = False
        assert backbone.outermost_alone
        assert torch.equal(backbone.predict(x, t, text), plain)


@torch.no_grad()
def test_each_frame_finds_its_own_wherever_windows_lie(sd1: Path) -> None:
    """Frames see themselves alone, so that it makes no difference what is seen with them."""
    backbone, features = load_backbone(sd1, device="cpu"), DeepFeatures(FRAMES)
    x, t, text = inputs(backbone)
    plain = backbone.predict(x, t, text)

    def seen(frames: range) -> Tensor:
        with backbone.in_window(frames):
            return backbone.predict(x[:, frames.start : frames.stop], t, text)

    with backbone.keeping_deep(features):
        for window in (range(2), range(2, 3)):
            seen(window)
        features.filling = False
        for window in (range(1), range(1, 3)):
            torch.testing.assert_close(seen(window), plain[:, window.start : window.stop], atol=1e-5, rtol=1e-4)
        order = torch.tensor([2, 0, 1])
        with backbone.reordered(order):
            torch.testing.assert_close(backbone.predict(x[:, order], t, text), plain[:, order], atol=1e-5, rtol=1e-4)


def test_turns() -> None:
    turns = Turns(3)
    assert [turns.whole("a") for _ in range(7)] == [True, False, False, True, False, False, True]
    assert not turns.begins
    assert [turns.whole(kind) for kind in "aabbbbb"] == [False, False, True, False, False, True, False]
    assert [Turns(1).whole("a") for _ in range(3)] == [True] * 3
    each = Turns(2)
    assert each.begins
    each.whole("a")
    assert not each.begins
    each.whole("a")
    assert each.begins
