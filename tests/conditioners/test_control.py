"""From a control's settings to what steers the model."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
import torch

import vedit
from tests.backbone import toys
from vedit.adapters.loading import load_backbone
from vedit.backbone import Backbone
from vedit.clip import Clip
from vedit.conditioners.control import Control
from vedit.config import ControlSettings
from vedit.errors import ConfigError, MediaError
from vedit.timeline import Moments


def clip(frames: int = 3) -> Clip:
    pictures = torch.zeros(frames, 3, 64, 64)
    for index in range(frames):
        pictures[index, :, 16:48, 8 + 4 * index : 32 + 4 * index] = 1
    return Clip(pictures, Fraction(8))


def moments(frames: int = 3) -> Moments:
    return Moments(frames, Fraction(8))


@pytest.fixture
def backbone(toy_model: Path) -> Backbone:
    return load_backbone(toy_model, device="cpu")


@pytest.fixture
def net(backbone: Backbone, tmp_path: Path) -> Path:
    return toys.controlnet_folder(backbone.unet, tmp_path / "net", backbone.vae_scale_factor)


def test_the_clips_edges_steer(backbone: Backbone, net: Path) -> None:
    control = Control(ControlSettings(kind="edge", net=str(net), weight=(0, 0.5, 1), start=0.2, stop=0.7))
    prepared = control.prepare(clip(), moments())
    assert prepared.pictures.shape == (3, 3, 64, 64)
    assert prepared.pictures[1, 0, 16:48].any()
    condition = control.condition(prepared, backbone)
    assert condition.envelope.tolist() == [0, 0.5, 1]
    assert (condition.start, condition.stop) == (0.2, 0.7)


def test_pictures_drawn_before_take_the_annotators_place(tmp_path: Path) -> None:
    drawn = clip().frames.flip(-1)
    Clip(drawn, Fraction(8)).save(tmp_path / "drawn")
    taken = Control(ControlSettings(kind="edge", file=tmp_path / "drawn")).prepare(clip(), moments())
    torch.testing.assert_close(taken.pictures, drawn, atol=1 / 255, rtol=0)
    one = Control(ControlSettings(kind="edge", file=tmp_path / "drawn" / "00000.png")).prepare(clip(5), moments(5))
    assert one.pictures.shape == (5, 3, 64, 64)
    with pytest.raises(MediaError, match="has 3 frames, the clip 4"):
        Control(ControlSettings(kind="edge", file=tmp_path / "drawn")).prepare(clip(4), moments(4))


def test_a_weight_that_varies_is_settled_for_each_frame(backbone: Backbone, net: Path) -> None:
    control = Control(ControlSettings(kind="edge", net=str(net), weight="1 - t*8/2"))
    assert control.condition(control.prepare(clip(), moments()), backbone).envelope.tolist() == [1, 0.5, 0]
    heard = Control(ControlSettings(kind="edge", weight="2*bass"))
    with pytest.raises(ConfigError, match="needs bass"):
        heard.prepare(clip(), moments())
    drums = Moments(3, Fraction(8), {"bass": [0.0, 0.25, 1.0]})
    assert heard.prepare(clip(), drums).weights.tolist() == [0, 0.5, 2]


def test_what_does_not_fit_the_clip_is_refused() -> None:
    with pytest.raises(ConfigError, match="2 weights for 3 frames"):
        Control(ControlSettings(kind="edge", weight=(1, 1))).prepare(clip(), moments())
    with pytest.raises(ConfigError, match="did you mean 'low'"):
        Control(ControlSettings(kind="edge", options={"lwo": 3})).prepare(clip(), moments())


def test_without_a_clip_there_is_nothing_to_look_at() -> None:
    with pytest.raises(ConfigError, match="no clip to look at"):
        Control().prepare(None, moments())


def test_an_edit_follows_its_control(backbone: Backbone, net: Path) -> None:
    def edited(**settings: object) -> torch.Tensor:
        result = vedit.edit(
            backbone, clip(), "a cat", steps=2, check_inversion=False, prior="gaussian", strength=1, **settings
        )
        return result.clip.frames

    plain = edited()
    assert torch.equal(edited(control=[f"edge:0:net={net}"]), plain)
    steered = edited(control=[f"edge:net={net}"])
    assert (steered - plain).abs().max() > 1e-3
    assert torch.equal(edited(control=[f"edge:net={net}"]), steered)
    assert (edited(control=[f"edge:net={net}", f"edge:0.5:net={net}@0-0.5"]) - steered).abs().max() > 1e-3
    assert torch.equal(edited(), plain)
