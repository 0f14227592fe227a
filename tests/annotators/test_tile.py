"""Pictures without their details."""

import pytest
import torch

from vedit.annotators.tile import Tile, without_details


def test_details_go_and_the_rest_stays() -> None:
    smooth = torch.linspace(0, 1, 64).expand(3, 48, 64)
    rough = torch.rand(3, 48, 64, generator=torch.Generator().manual_seed(0))
    assert (without_details(smooth, 2) - smooth).abs().max() < 0.02
    assert without_details(rough, 2).std() < 0.75 * rough.std()
    assert torch.equal(without_details(rough, 1), rough)


@pytest.mark.parametrize(("times", "size"), [(2.0, (7, 9)), (16.0, (8, 8)), (3.0, (1, 5))])
def test_any_size_comes_back(times: float, size: tuple[int, int]) -> None:
    assert without_details(torch.rand(3, *size), times).shape == (3, *size)
    assert Tile(Tile.Options(times=times)).options.times == times
