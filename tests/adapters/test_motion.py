"""AnimateDiff motion modules."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.backbone import toys
from vedit.adapters.loading import ModelSpec, load_backbone
from vedit.adapters.motion import Motion
from vedit.backbone.temporal import in_windows, temporal_layers
from vedit.errors import WeightsError


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model wide enough for AnimateDiff's 32 groups."""
    return toys.sd_folder(tmp_path_factory.mktemp("models") / "wide", width=32, layers=1, levels=2)


@pytest.mark.parametrize("version", [1, 2])
def test_motion_modules_from_a_folder_and_from_their_own_file(version: int, tmp_path: Path, wide: Path) -> None:
    adapter = toys.motion_adapter(wide, version)
    adapter.save_pretrained(tmp_path / "motion")
    save_file(toys.original_motion(adapter), tmp_path / "mm.safetensors")
    prefixed = {f"module.{name}": tensor for name, tensor in toys.original_motion(adapter).items()}
    torch.save({"epoch": 1, "state_dict": prefixed}, tmp_path / "mm.ckpt")
    for name in ("motion", "mm.safetensors", "mm.ckpt"):
        modules = Motion.read(tmp_path / name).modules
        for field in ("use_motion_mid_block", "motion_max_seq_length", "motion_layers_per_block"):
            assert modules.config[field] == adapter.config[field]
        assert modules.state_dict().keys() == adapter.state_dict().keys()
        assert all(torch.equal(modules.state_dict()[key], tensor) for key, tensor in adapter.state_dict().items())


def test_motion_brings_its_schedule(tmp_path: Path, wide: Path) -> None:
    toys.motion_adapter(wide).save_pretrained(tmp_path / "motion")
    plain, moving = load_backbone(wide), load_backbone(wide, motion_adapter=tmp_path / "motion")
    assert (plain.scheduler_config["beta_schedule"], moving.scheduler_config["beta_schedule"]) == (
        "scaled_linear",
        "linear",
    )
    assert moving.scheduler_config["clip_sample"] is False
    assert plain.fingerprint != moving.fingerprint
    torch.manual_seed(0)
    x, text = torch.randn(1, 3, 4, 8, 8), torch.randn(1, toys.TOKENS, toys.TEXT_WIDTH)
    assert not torch.allclose(plain.predict(x, 500, text), moving.predict(x, 500, text), atol=1e-3)


def test_a_folder_can_say_what_its_motion_modules_were_trained_with(tmp_path: Path, wide: Path) -> None:
    toys.motion_adapter(wide).save_pretrained(tmp_path / "motion")
    own = load_backbone(wide).scheduler_config
    (tmp_path / "motion" / "scheduler_config.json").write_text(json.dumps({**own, "beta_end": 0.013}))
    moving = load_backbone(wide, motion_adapter=tmp_path / "motion").scheduler_config
    assert moving == {**own, "beta_end": 0.013}


def test_motion_that_comes_with_the_model_is_in_force(tmp_path: Path, wide: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(wide, model)
    toys.motion_adapter(wide).save_pretrained(model / "motion")
    assert not load_backbone(model).layers.has_motion
    (model / "vedit.json").write_text('{"motion": "motion"}')
    moving, plain = load_backbone(model), load_backbone(wide)
    assert moving.layers.has_motion
    torch.manual_seed(0)
    x, text = torch.randn(1, 3, 4, 8, 8), torch.randn(1, toys.TOKENS, toys.TEXT_WIDTH)
    assert (moving.predict(x, 500, text) - plain.predict(x, 500, text)).abs().max() > 1e-3
    other = toys.motion_adapter(wide, seed=1)
    other.save_pretrained(tmp_path / "other")
    named = load_backbone(model, motion_adapter=tmp_path / "other")
    assert torch.equal(
        named.predict(x, 500, text), load_backbone(wide, motion_adapter=tmp_path / "other").predict(x, 500, text)
    )


def test_motion_that_comes_with_the_model_may_be_left_out(tmp_path: Path, wide: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(wide, model)
    toys.motion_adapter(wide).save_pretrained(model / "motion")
    (model / "vedit.json").write_text('{"motion": "motion"}')
    assert not load_backbone(model, motion_adapter="none").layers.has_motion
    without, plain = (ModelSpec(each, motion_adapter="none").outline() for each in (model, wide))
    assert not without.layers.motion
    assert without.layers == plain.layers


def test_a_single_frame_is_what_it_is_without_motion(tmp_path: Path, wide: Path) -> None:
    toys.motion_adapter(wide).save_pretrained(tmp_path / "motion")
    plain, moving = load_backbone(wide), load_backbone(wide, motion_adapter=tmp_path / "motion")
    torch.manual_seed(0)
    x, text = torch.randn(2, 1, 4, 8, 8), torch.randn(2, toys.TOKENS, toys.TEXT_WIDTH)
    assert torch.equal(plain.predict(x, 500, text), moving.predict(x, 500, text))


def test_clips_longer_than_the_positions_are_seen_in_windows(tmp_path: Path, wide: Path) -> None:
    toys.motion_adapter(wide, version=1).save_pretrained(tmp_path / "motion")  # knows 24 frames
    moving = load_backbone(wide, motion_adapter=tmp_path / "motion")
    torch.manual_seed(0)
    x, text = torch.randn(2, 40, 4, 8, 8), torch.randn(2, toys.TOKENS, toys.TEXT_WIDTH)
    found = moving.predict(x, 500, text)
    assert torch.isfinite(found).all()
    changed = x.clone()
    changed[:, -1] += 1
    moved = (moving.predict(changed, 500, text) - found).abs().amax((0, 2, 3, 4))
    # What is far reaches a frame only from window to window, layer after layer.
    assert moved[:8].max() < 0.01 * moved[-8:].min()


@pytest.mark.parametrize("frames", [17, 24, 33])
def test_windows_agree_where_the_module_looks_at_single_frames(frames: int) -> None:
    def double(still: torch.Tensor, num_frames: int) -> torch.Tensor:
        assert num_frames == 16
        return 2 * still

    still = torch.randn(2 * frames, 3, 2, 2)
    found = in_windows(double, still, frames, 16)  # type: ignore[arg-type]
    torch.testing.assert_close(found, 2 * still)


def test_motion_counts_as_much_as_asked_in_each_frame(tmp_path: Path, wide: Path) -> None:
    toys.motion_adapter(wide).save_pretrained(tmp_path / "motion")
    plain, moving = load_backbone(wide), load_backbone(wide, motion_adapter=tmp_path / "motion")
    torch.manual_seed(0)
    x, text = torch.randn(2, 3, 4, 8, 8), torch.randn(2, toys.TOKENS, toys.TEXT_WIDTH)
    still, whole = plain.predict(x, 500, text), moving.predict(x, 500, text)
    with moving.scaling_motion(torch.tensor([0.0, 1.0, 0.5])):
        found = moving.predict(x, 500, text)
        lent = moving.predict(x, 500, text, inject=True)
    # A frame in which nothing moves is as without the layers; the others see it and so are as neither.
    torch.testing.assert_close(found[:, 0], still[:, 0], atol=1e-5, rtol=1e-5)
    assert all((found[:, frame] - other[:, frame]).abs().max() > 1e-3 for frame in (1, 2) for other in (still, whole))
    torch.testing.assert_close(lent[0], whole[0])  # a source that lends its features is as it was
    torch.testing.assert_close(moving.predict(x, 500, text), whole)
    with moving.scaling_motion(torch.ones(3)):
        torch.testing.assert_close(moving.predict(x, 500, text), whole)


def test_motion_that_was_tuned_counts_as_much_as_asked(wide: Path) -> None:
    backbone = load_backbone(wide)
    torch.manual_seed(0)
    x, text = torch.randn(1, 3, 4, 8, 8), torch.randn(1, toys.TOKENS, toys.TEXT_WIDTH)
    still = backbone.predict(x, 500, text)
    backbone.layers.attach_temporal()
    for layer in temporal_layers(backbone.unet):
        torch.nn.init.normal_(layer.to_out[0].weight)
    assert (backbone.predict(x, 500, text) - still).abs().max() > 0.01
    with backbone.scaling_motion(torch.zeros(3)):
        torch.testing.assert_close(backbone.predict(x, 500, text), still)


def test_motion_for_another_width(tmp_path: Path, wide: Path, sd1: Path) -> None:
    toys.motion_adapter(wide).save_pretrained(tmp_path / "motion")
    with pytest.raises(WeightsError, match="channels"):
        load_backbone(sd1, motion_adapter=tmp_path / "motion")
