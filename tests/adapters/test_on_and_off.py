"""What is put on a backbone comes off again, to the bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.adapters.test_lora import lora
from tests.backbone import toys
from vedit.adapters import Attachable
from vedit.adapters.base import replace_parameters
from vedit.adapters.loading import load_backbone
from vedit.adapters.lora import Lora
from vedit.adapters.motion import Motion
from vedit.backbone import Backbone
from vedit.backbone.loading import read_parts
from vedit.errors import WeightsError
from vedit.tuning.one_shot import tune

FRAMES = torch.rand((3, 3, 64, 64), generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wide enough for AnimateDiff's 32 groups."""
    return toys.sd_folder(tmp_path_factory.mktemp("models") / "wide", width=32, layers=1, levels=2)


@pytest.fixture
def backbone(model: Path) -> Backbone:
    return load_backbone(model, device="cpu")


@pytest.fixture(scope="module")
def adapters(model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Attachable]:
    folder = tmp_path_factory.mktemp("adapters")
    tensors = {**lora(read_parts(model)), "<cat>": torch.ones(toys.TEXT_WIDTH)}
    save_file(tensors, folder / "lora.safetensors", metadata={"<cat>": "<embed>"})
    save_file({"<dog>": torch.ones(toys.TEXT_WIDTH)}, folder / "word.safetensors", metadata={"<dog>": "<embed>"})
    toys.motion_adapter(model).save_pretrained(folder / "motion")
    tuned = tune(load_backbone(model, device="cpu"), FRAMES, "a cat", steps=2, learning_rate=1e-2)
    return {
        "lora": Lora.of(f"{folder / 'lora.safetensors'}:0.5"),
        "word": Lora.of(str(folder / "word.safetensors")),
        "motion": Motion.read(folder / "motion"),
        "tuned": tuned,
    }


def said(backbone: Backbone) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn((1, 3, 4, 8, 8), generator=generator)
    with torch.no_grad(), backbone.attending(backbone.default_attention):
        return backbone.predict(x, 400, backbone.embed(["a <cat> and a <dog>"]))


def state(backbone: Backbone) -> dict[str, Any]:
    """Parameters by name, as they lie in memory and as numbers; processors; hooks; and what it says of itself."""
    nets = {"unet": backbone.unet, "text_encoder": backbone.text_encoder}
    parameters = {f"{net}.{name}": each for net, module in nets.items() for name, each in module.named_parameters()}
    return {
        "places": {name: (id(each), each.data_ptr()) for name, each in parameters.items()},
        "numbers": {name: each.detach().clone() for name, each in parameters.items()},
        "flags": {name: each.requires_grad for name, each in parameters.items()},
        "processors": {name: id(each) for name, each in backbone.unet.attn_processors.items()},
        "hooks": [
            (name, list(module._forward_hooks), list(module._forward_pre_hooks))
            for name, module in backbone.unet.named_modules()
        ],
        "told": (
            backbone.outline().state, backbone.scheduler_config, backbone.tuned, repr(backbone),
            backbone.layers.positions, len(backbone.tokenizer), backbone.text_encoder.config.vocab_size,
        ),
    }  # fmt: skip


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    for part in ("places", "flags", "processors", "hooks", "told"):
        assert one[part] == other[part], part
    assert all(torch.equal(one["numbers"][name], other["numbers"][name]) for name in one["numbers"])


@pytest.mark.parametrize("name", ["lora", "word", "motion", "tuned"])
def test_it_comes_off_to_the_bit(backbone: Backbone, adapters: dict[str, Attachable], name: str) -> None:
    before, plain = state(backbone), said(backbone)
    with adapters[name].on(backbone):
        assert not torch.equal(said(backbone), plain)
        assert backbone.outline().state != before["told"][0]
    assert_same(state(backbone), before)
    assert torch.equal(said(backbone), plain)


@pytest.mark.parametrize("order", [("lora", "motion", "word"), ("motion", "lora"), ("tuned", "tuned")])
def test_contexts_nest(backbone: Backbone, adapters: dict[str, Attachable], order: tuple[str, ...]) -> None:
    states = [state(backbone)]

    def within(names: tuple[str, ...]) -> None:
        if not names:
            return
        with adapters[names[0]].on(backbone):
            states.append(state(backbone))
            within(names[1:])
            assert_same(state(backbone), states.pop())

    within(order)
    assert_same(state(backbone), states[0])


def test_an_error_within_takes_it_off_too(backbone: Backbone, adapters: dict[str, Attachable]) -> None:
    before = state(backbone)
    with pytest.raises(RuntimeError, match="of the job"), adapters["tuned"].on(backbone):
        raise RuntimeError("of the job")
    assert_same(state(backbone), before)


def test_what_does_not_fit_changes_nothing(adapters: dict[str, Attachable], tmp_path: Path) -> None:
    other = load_backbone(toys.sd_folder(tmp_path / "other", seed=5), device="cpu")
    before = state(other)
    for each in adapters.values():
        if each is not adapters["word"]:
            with pytest.raises(WeightsError), each.on(other):
                pass
        assert_same(state(other), before)


def test_parameters_that_cannot_all_be_replaced_stay_as_they_are(backbone: Backbone) -> None:
    before = state(backbone)
    fits, other = backbone.unet.conv_in.bias, torch.zeros(1, 2, 3)
    with pytest.raises(RuntimeError):
        replace_parameters(backbone.unet, {"conv_in.bias": fits + 1, "conv_out.bias": other})
    assert_same(state(backbone), before)


def test_a_tuned_model_can_be_tuned_again(backbone: Backbone, adapters: dict[str, Attachable]) -> None:
    with adapters["tuned"].on(backbone):
        inner = state(backbone)
        again = tune(backbone, FRAMES, "a dog", steps=1, learning_rate=1e-2)
        assert_same(state(backbone), inner)
        with again.on(backbone):
            assert backbone.learned_prompt == "a dog"
        assert backbone.learned_prompt == "a cat"
    assert not backbone.tuned.digest


@pytest.mark.parametrize("names", [("lora",), ("motion",), ("lora", "motion")])
def test_on_and_loaded_with_are_the_same(
    model: Path, adapters: dict[str, Attachable], backbone: Backbone, names: tuple[str, ...], tmp_path: Path
) -> None:
    given: dict[str, Callable[[], Any]] = {
        "lora": lambda: {"loras": f"{adapters['lora'].path}:0.5"},  # type: ignore[attr-defined]
        "motion": lambda: {"motion_adapter": adapters["motion"].files.folder},  # type: ignore[attr-defined]
    }
    loaded = load_backbone(
        model, device="cpu", **{key: value for name in names for key, value in given[name]().items()}
    )
    for name in names:
        adapters[name].apply(backbone)
    assert torch.equal(said(backbone), said(loaded))
    assert backbone.outline().state == loaded.outline().state
