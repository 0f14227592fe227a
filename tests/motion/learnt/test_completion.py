"""The network that completes flow, and its folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file

from tests.motion.learnt.making import SMALL, completion
from vedit.errors import WeightsError
from vedit.motion.learnt.completion import (
    SURE,
    CompletionConfig,
    FlowCompletion,
    load_completion,
    read_completion_config,
)
from vedit.motion.learnt.points import pixels_of, sparse_flow
from vedit.motion.network_folder import CONFIG, WEIGHTS

GRID = (32, 48)


def asked(scale: float = 1.0, anchored: bool = False) -> tuple[torch.Tensor, ...]:
    """A point that goes to the upper right, one more that stays, and a square around the first that is held."""
    points = torch.tensor([[10.0, 12.0], [40.0, 20.0]])[: 1 + anchored]
    moved = torch.tensor([[6.0, -8.0], [0.0, 0.0]])[: 1 + anchored]
    computed, held = torch.zeros(1, 2, *GRID), torch.zeros(1, 1, *GRID)
    computed += scale * moved[0][:, None, None]
    held[:, :, 6:18, 4:16] = 1.0
    return *sparse_flow(pixels_of(points, GRID, 2.0), scale * moved[None]), computed, held


def moved_by(network: FlowCompletion, shown: torch.Tensor, told: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """How far all pixels go, as a network says."""
    return network(shown, *told) * told[2]


def picture() -> torch.Tensor:
    return torch.rand(1, 3, *GRID, generator=torch.Generator().manual_seed(1))


def test_a_point_is_a_disc_with_its_own_motion_and_the_nearest_counts() -> None:
    which = pixels_of(torch.tensor([[10.0, 12.0], [12.0, 12.0]]), GRID, 2.0)
    assert which[12, 10] == 0
    assert which[12, 13] == 1
    assert which[12, 9] == 0
    assert which[12, 15] == -1
    assert 20 <= int((which >= 0).sum()) <= 30
    flow, known = sparse_flow(which, torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]]))
    assert flow.shape == (2, 2, *GRID)
    assert known.shape == (2, 1, *GRID)
    assert flow[1, :, 12, 13].tolist() == [7.0, 8.0]
    assert flow[:, :, ~known[0, 0]].abs().max() == 0
    assert (pixels_of(torch.zeros(0, 2), GRID, 2.0) == -1).all()


def test_a_stroke_twice_as_long_moves_all_twice_as_far() -> None:
    network = completion()
    once, twice = (moved_by(network, picture(), asked(scale)) for scale in (1.0, 2.0))
    assert once.shape == (1, 2, *GRID)
    assert once.abs().max() > 0.1
    torch.testing.assert_close(twice, 2 * once)


def test_where_no_stroke_moves_nothing_does() -> None:
    network, still = completion(), asked(0.0, anchored=True)
    assert moved_by(network, picture(), still).abs().max() == 0
    flow, none = torch.zeros(1, 2, *GRID), torch.zeros(1, 1, *GRID)
    assert moved_by(network, picture(), (flow, none.bool(), flow, none)).abs().max() == 0


def test_a_point_that_stays_is_not_one_that_is_unknown() -> None:
    network = completion()
    one, other = (moved_by(network, picture(), asked(anchored=each)) for each in (True, False))
    assert not torch.allclose(one, other)
    assert network.unknown.abs().min() > 0


def test_a_fresh_one_leaves_what_is_computed() -> None:
    held = asked()[3]
    held[:, :, 4] = 0.3
    torch.testing.assert_close(FlowCompletion.fresh(SMALL)(picture(), *asked()[:3], held), held)


def test_it_says_otherwise_where_something_else_is_computed_or_held() -> None:
    network, (flow, known, computed, held) = completion(), asked()
    firmly = network(picture(), flow, known, computed, held)
    for each in ((-computed, held), (computed, 1 - held)):
        assert not torch.allclose(firmly, network(picture(), flow, known, *each), atol=1e-3)
    beyond = SURE / (1 - SURE)
    assert -beyond - 1e-3 < firmly.min() < firmly.max() < 1 + beyond + 1e-3


def test_all_of_the_picture_may_answer_to_one_point() -> None:
    network, whole = completion(), picture().requires_grad_()
    moved_by(network, whole, asked())[0, :, -1, -1].sum().backward()
    assert whole.grad is not None
    assert whole.grad[0, :, 0, 0].abs().max() > 0


def test_it_comes_back_from_its_folder(tmp_path: Path) -> None:
    network = completion()
    network.save(tmp_path / "net")
    again = load_completion(tmp_path / "net")
    assert again.config == network.config
    one, other = (moved_by(each, picture(), asked()) for each in (again, network))
    torch.testing.assert_close(one, other, atol=0.02, rtol=0.02)
    assert (tmp_path / "net" / WEIGHTS).stat().st_size < 2e5
    assert not any(each.requires_grad for each in again.parameters())


def test_the_default_is_small_enough_to_ship() -> None:
    assert sum(each.numel() for each in FlowCompletion(CompletionConfig()).parameters()) < 1e6


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"channels": [8, 16, 10_000]}, "channels is "),
        ({"channels": 8}, "channels is 8"),
        ({"channels": [12, 16]}, "channels is "),
        ({"side": 10**9}, "side is 1000000000"),
        ({"side": "64"}, "side is '64'"),
        ({"radius": 1e9}, "radius is 1000000000"),
        ({"layers": 3}, "layers is 3"),
        ({"_class_name": "UNet2DModel"}, "is of something else; expected a FlowCompletion"),
        ({"channels": [8, 16]}, "do not match its config"),
        ({"channels": [16, 16, 16]}, "do not fit"),
    ],
)
def test_a_bad_config_is_one_line(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    completion().save(tmp_path)
    told = json.loads((tmp_path / CONFIG).read_text())
    (tmp_path / CONFIG).write_text(json.dumps({**told, **changes}))
    with pytest.raises(WeightsError) as caught:
        load_completion(tmp_path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bad_weights_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="is missing"):
        read_completion_config(tmp_path)
    completion().save(tmp_path)
    tensors = load_file(tmp_path / WEIGHTS)
    save_file({**tensors, "unknown": torch.full((2, 1, 1), torch.nan)}, tmp_path / WEIGHTS)
    with pytest.raises(WeightsError, match="NaN"):
        load_completion(tmp_path)
    (tmp_path / WEIGHTS).write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="cannot be read"):
        load_completion(tmp_path)
    (tmp_path / WEIGHTS).unlink()
    with pytest.raises(WeightsError, match=r"no model\.safetensors"):
        load_completion(tmp_path)


def test_its_config_is_bounded() -> None:
    with pytest.raises(ValidationError):
        CompletionConfig(channels=[8])
