"""The flow diffusion itself, and its folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.motion.generated.making import SMALL, flow_diffusion, flow_diffusion_folder
from vedit.errors import WeightsError
from vedit.motion.generated.network import FlowDiffusion, FlowDiffusionConfig, load_flow_diffusion

WORDS = torch.randn(1, 20, SMALL.text_width, generator=torch.Generator().manual_seed(1))
LATENTS = torch.randn(1, 4, 12, 16, generator=torch.Generator().manual_seed(2))


def test_it_samples_the_same_motion_for_the_same_seed_words_and_picture(tmp_path: Path) -> None:
    network = load_flow_diffusion(flow_diffusion_folder(tmp_path / "f"), SMALL.text_width)
    nothing = torch.zeros_like(WORDS)
    first = network.sample(WORDS, nothing, LATENTS, (6, 8), seed=3)
    assert first.moved.shape == (4, 2, 6, 8)
    assert first.moved.isfinite().all()
    assert 0 <= float(first.held.min()) <= float(first.held.max()) <= 1
    assert torch.equal(network.sample(WORDS, nothing, LATENTS, (6, 8), seed=3).moved, first.moved)
    for other in (
        network.sample(WORDS, nothing, LATENTS, (6, 8), seed=4),
        network.sample(2 * WORDS, nothing, LATENTS, (6, 8), seed=3),
        network.sample(WORDS, nothing, 2 * LATENTS, (6, 8), seed=3),
    ):
        assert not torch.equal(other.moved, first.moved)


def test_frames_know_how_late_they_are() -> None:
    network = flow_diffusion()
    still = torch.zeros(1, 4, 3, 6, 8)
    found = network(still, torch.tensor([500]), LATENTS[:, :, :6, :8], WORDS)
    assert found.shape == still.shape
    assert not torch.allclose(found[:, 0], found[:, 3])


def test_the_miniatures_is_small() -> None:
    count = sum(each.numel() for each in FlowDiffusion(FlowDiffusionConfig(text_width=128)).parameters())
    assert 2 * count < 2_000_000


def test_folders_that_are_no_such_thing_are_told(tmp_path: Path) -> None:
    folder = flow_diffusion_folder(tmp_path / "f")
    with pytest.raises(WeightsError, match="reads words of width 12, this model's are 768 wide"):
        load_flow_diffusion(folder, 768)
    config = json.loads((folder / "config.json").read_text())
    for changed, said in (
        ({"_class_name": "UNet2DConditionModel"}, "is of something else"),
        ({"frames": 10**9}, "frames"),
        ({"colour": "red"}, "colour"),
        ({"channels": [16, 16]}, "do not"),
    ):
        (folder / "config.json").write_text(json.dumps({**config, **changed}))
        with pytest.raises(WeightsError, match=said):
            load_flow_diffusion(folder, 12)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match="no model"):
        load_flow_diffusion(folder, 12)
