"""RIFE: its layers have the names of the published files, and it makes the middle of two pictures."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.test_flow import moving
from vedit.clip import Clip
from vedit.clip.lazy import LazyClip
from vedit.errors import WeightsError
from vedit.motion.between import smoothed
from vedit.motion.rife import Rife, load_rife

CPU = torch.device("cpu")

REAL = Path(os.environ.get("VEDIT_TEST_RIFE", "no-such-file"))
"""A real file of weights, for whoever has one."""


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Random ones, as a published file has them: under ``module.``, with those of the teacher."""
    torch.manual_seed(0)
    own = {f"module.{name}": each for name, each in Rife().state_dict().items()}
    torch.save(own | {"module.block_tea.conv0.0.0.weight": torch.zeros(45, 14, 3, 3)}, tmp_path / "flownet.pkl")
    return tmp_path / "flownet.pkl"


def test_the_layers_have_the_names_and_shapes_of_the_published_ones() -> None:
    shapes = {name: tuple(each.shape) for name, each in Rife().state_dict().items()}
    assert len(shapes) == 3 * 40
    assert shapes["block0.conv0.0.0.weight"] == (45, 11, 3, 3)
    assert shapes["block1.conv0.1.1.weight"] == (90,)
    assert shapes["block2.convblock3.1.0.bias"] == (90,)
    assert shapes["block0.conv1.2.weight"] == (45, 4, 4, 4)
    assert shapes["block0.conv2.2.weight"] == (45, 1, 4, 4)


def test_it_makes_a_picture_and_has_no_direction(weights: Path, tmp_path: Path) -> None:
    network, (first, last) = load_rife(weights, CPU), moving((2, 1), frames=2, size=(45, 70))
    made = network(first, last)
    assert made.shape == (3, 45, 70)
    assert 0 <= made.min() <= made.max() <= 1
    torch.testing.assert_close(network(last, first), made, atol=1e-4, rtol=1e-4)
    save_file(network.state_dict(), tmp_path / "same.safetensors")
    assert torch.equal(load_rife(tmp_path / "same.safetensors", CPU)(first, last), made)


def test_frames_are_halved_again_and_again() -> None:
    asked: list[tuple[float, float]] = []

    def middle(first: Tensor, last: Tensor) -> Tensor:
        asked.append((round(float(first.mean()), 4), round(float(last.mean()), 4)))
        return (first + last) / 2

    frames = torch.stack([torch.full((3, 32, 32), each) for each in (0.4, 0.48, 0.56)])
    made = smoothed(LazyClip.of(Clip(frames, Fraction(8))), 4, middle=middle).whole()
    expected = torch.tensor([0.4, 0.42, 0.44, 0.46, 0.48, 0.5, 0.52, 0.54, 0.56, 0.56, 0.56, 0.56])
    torch.testing.assert_close(made.frames.mean((1, 2, 3)), expected)
    assert len(asked) == 2 * 3, "each frame is made once"


@pytest.mark.parametrize("what", ["missing", "folder", "other", "shape", "RIFE 4"])
def test_other_files_are_refused_in_a_line(weights: Path, tmp_path: Path, what: str) -> None:
    tensors = torch.load(weights, weights_only=True)
    path = tmp_path / "w.pkl"
    if what == "folder":
        path.mkdir()
    elif what == "other":
        torch.save({"linear.weight": torch.zeros(2, 2)}, path)
    elif what == "shape":
        torch.save(tensors | {"module.block0.conv0.0.0.weight": torch.zeros(45, 7, 3, 3)}, path)
    elif what == "RIFE 4":
        torch.save(tensors | {"module.block3.conv0.0.0.weight": torch.zeros(32, 12, 3, 3)}, path)
    with pytest.raises(WeightsError, match="expected the weights of RIFE HDv3") as told:
        load_rife(path, CPU)
    assert "\n" not in str(told.value)


@pytest.mark.skipif(not REAL.is_file(), reason="VEDIT_TEST_RIFE names no file of RIFE's weights")
def test_real_weights_come_far_nearer_than_a_blend() -> None:
    network, frames = load_rife(REAL, CPU), moving((5, 3), frames=3, size=(96, 128))

    def gap(made: Tensor) -> float:
        inside = (slice(None), slice(12, -12), slice(12, -12))
        return float((made - frames[1])[inside].square().mean())

    found = gap(network(frames[0], frames[2]))
    assert found < 0.02 * gap((frames[0] + frames[2]) / 2)
    assert found < 1e-4, "at least 40 dB"
