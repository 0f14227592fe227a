"""Parity with the original Tune-A-Video: its UNet and its inversion, as numbers recorded from its own code."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from tests.backbone import toys
from vedit.adapters.loading import load_backbone
from vedit.backbone import Backbone
from vedit.priors.inversion import invert

DATA = Path(__file__).parents[1] / "data"
FACTS = json.loads((DATA / "tune_a_video.json").read_text())


@pytest.fixture(scope="module")
def numbers() -> dict[str, Tensor]:
    return load_file(DATA / "tune_a_video.safetensors")


@pytest.fixture(scope="module", params=["sd1", "sd2"])
def tuned(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, sd1: Path) -> tuple[str, Backbone]:
    path = toys.tune_a_video_folder(tmp_path_factory.mktemp("models") / "tuned", sd1, request.param)
    return request.param, load_backbone(path, device="cpu")


def test_unet_equals_the_original(tuned: tuple[str, Backbone], numbers: dict[str, Tensor]) -> None:
    name, backbone = tuned
    cases = [case for case in FACTS["cases"] if case["unet"] == name]
    assert len(cases) == 5
    for case in cases:
        sample = numbers[case["sample"]].transpose(1, 2)  # the original holds (B, C, F, H, W)
        output = backbone.predict(sample, case["timestep_value"], numbers[case["text"]])
        torch.testing.assert_close(output.transpose(1, 2), numbers[case["output"]], atol=2e-5, rtol=0, msg=case["note"])


@pytest.mark.parametrize("wrong", ["norm", "attention"])
def test_the_check_can_fail(tuned: tuple[str, Backbone], numbers: dict[str, Tensor], wrong: str) -> None:
    name, backbone = tuned
    sample, text = numbers[f"{name}.sample"].transpose(1, 2), numbers[f"{name}.text"]
    expected = numbers[f"{name}.output"].transpose(1, 2)
    if wrong == "attention":
        with backbone.attending("per_frame"):
            output = backbone.predict(sample, 501, text)
    else:
        backbone.layers.use_per_frame_norm()
        output = backbone.predict(sample, 501, text)
        backbone.layers.use_clip_wide_norm()
    assert (output - expected).abs().max() > 0.05


@pytest.mark.parametrize("steps", [10, 50])
def test_inversion_equals_the_original(tuned: tuple[str, Backbone], numbers: dict[str, Tensor], steps: int) -> None:
    name, backbone = tuned
    if name != "sd1":
        pytest.skip("the inversion was recorded with the other toy")
    start = numbers["ddim.start"][0].transpose(0, 1)
    trace = invert(backbone, start, numbers["ddim.text"], steps)
    expected = numbers[f"ddim.invert{steps}"][:, 0].transpose(1, 2)
    assert trace.shape == (steps + 1, 3, 4, 8, 8)
    torch.testing.assert_close(trace, expected, atol=2e-5, rtol=0)
