"""Bundles of settings under a name: what they stand for, and what wins over them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vedit.config import AnimateConfig, EditConfig, GenerateConfig, InspectMaskConfig, Settings
from vedit.config.merge import Layer, assignments, merge
from vedit.config.speed import BUNDLES, bundle, told
from vedit.errors import ConfigError

NEEDED: dict[type[Settings], dict[str, Any]] = {
    EditConfig: {"clip": Path("a.mp4"), "prompt": "a cat"},
    GenerateConfig: {"prompt": "a cat"},
    AnimateConfig: {"picture": Path("a.png")},
}


@pytest.mark.parametrize("kind", NEEDED)
@pytest.mark.parametrize("name", BUNDLES)
def test_a_bundle_stands_for_settings_that_there_are(kind: type[Settings], name: str) -> None:
    config, meaning = merge(kind, Layer({**NEEDED[kind], name: True})), bundle(kind, name)
    assert meaning
    assert {each: getattr(config, each) for each in meaning} == meaning
    assert told(config).startswith(f"--{name}: steps {meaning['steps']}, ")
    plain = merge(kind, Layer(NEEDED[kind]))
    assert told(plain) == ""
    assert all(getattr(plain, each) != value for each, value in meaning.items()), "what it has by default says nothing"


def test_what_is_given_wins_wherever_it_is_given_even_a_default() -> None:
    def asked(*layers: Layer) -> EditConfig:
        return merge(EditConfig, Layer(NEEDED[EditConfig]), *layers)

    default = EditConfig.model_fields["steps"].default
    for given in (Layer({"steps": default}), assignments([f"steps={default}"])):
        for order in ((given, Layer({"fast": True})), (Layer({"fast": True}), given)):
            config = asked(*order)
            assert (config.steps, config.deep_cache) == (default, 2)
            assert f"steps {default}, " in told(config)
    assert asked(Layer({"fast": True}), assignments(["fast=false"])) == asked()


def test_all_settings_of_a_result_lead_to_it_again() -> None:
    config = merge(GenerateConfig, Layer({**NEEDED[GenerateConfig], "fast": True, "steps": 9}))
    assert merge(GenerateConfig, Layer(config.model_dump())) == config


def test_what_looks_at_the_mask_of_an_edit_takes_its_bundles() -> None:
    config = merge(InspectMaskConfig, Layer({**NEEDED[EditConfig], "fast": True}))
    assert config.mask_samples == 1


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"fast": True, "preview": True}, "fast and preview exclude each other"),
        ({"guidance_interval": "0.7-0.2"}, "START-STOP"),
        ({"guidance_interval": "0-1.2"}, "START-STOP"),
        ({"guidance_interval": "half"}, "START-STOP"),
        ({"sampler": "euler"}, "sampler"),
        ({"deep_cache": 0}, "deep_cache"),
        ({"fast": "perhaps"}, "fast"),
        ({"fifo": True, "fast": True}, "fast and fifo exclude each other"),
        ({"fifo": True, "sampler": "dpm++"}, "sampler and fifo exclude each other"),
        ({"fifo": True, "deep_cache": 2}, "deep_cache and fifo exclude each other"),
        ({"fifo": True, "guidance_interval": "0-0.5"}, "guidance_interval and fifo exclude each other"),
    ],
)
def test_faults(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        merge(GenerateConfig, Layer({**NEEDED[GenerateConfig], **values}))
    assert "faults" not in str(caught.value)
