"""Tiles cover a picture without edges, and what is said of them is put together."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.sampling.test_prediction import residuals
from vedit import mapped
from vedit.adapters.loading import load_backbone
from vedit.backbone import Backbone
from vedit.entrances.residuals import Residuals
from vedit.errors import ConfigError
from vedit.prompt import Prompt
from vedit.request import Frames, Timestep
from vedit.sampling.denoising import denoise, noise
from vedit.sampling.guiders import ClassifierFree, Unguided
from vedit.sampling.tiles import Tile, denoise_tiles, tiles_of
from vedit.windows import Windows


@pytest.fixture(scope="module")
def backbone(toy_model: Path) -> Backbone:
    return load_backbone(toy_model, device="cpu")


@pytest.mark.parametrize("size", [(8, 8), (9, 8), (5, 30), (23, 41), (64, 64)])
def test_tiles_overlap_by_a_quarter_and_fade(size: tuple[int, int]) -> None:
    total, seen = torch.zeros(size), torch.zeros(size)
    for tile in tiles_of(size, 8):
        assert tile.weight.shape == total[tile.rows, tile.columns].shape == (min(8, size[0]), min(8, size[1]))
        assert 0 < tile.weight.min() <= tile.weight.max() <= 1
        total[tile.rows, tile.columns] += tile.weight
        seen[tile.rows, tile.columns] += 1
    assert seen.min() >= 1
    assert total.min() > 0.3
    if size == (64, 64):
        firsts = sorted({tile.rows.start for tile in tiles_of(size, 8)})
        assert max(after - before for before, after in pairwise(firsts)) <= 6
    shares = [tile.weight / total[tile.rows, tile.columns] for tile in tiles_of(size, 8)]
    if min(size) > 8:  # none ends at once
        inside = [share[0] for share, tile in zip(shares, tiles_of(size, 8), strict=True) if tile.rows.start > 0]
        assert max(float(edge.max()) for edge in inside) < 0.5


def test_a_tile_knows_its_pixels() -> None:
    tile = Tile(slice(2, 4), slice(0, 3), torch.ones(2, 3))
    assert tile.pixels(8) == (slice(16, 32), slice(0, 24))
    with pytest.raises(ConfigError, match="tile: a side of 3 latents is too short; expected 4 or more"):
        tiles_of((8, 8), 3)


@pytest.mark.parametrize("windows", [None, Windows(3, 1)])
def test_a_picture_that_is_one_tile_is_denoised_as_ever(backbone: Backbone, windows: Windows | None) -> None:
    x, schedule = noise(0, 4, (4, 8, 8)), backbone.schedule(4).last(3)
    prompt, negative = (Prompt(each) for each in backbone.embed(["a cat", ""]).split(1))
    guider = ClassifierFree(prompt, negative, [4.0] * 4, 0.0)
    with backbone.attending("sparse_causal", windows=windows):
        tiled = denoise_tiles(backbone, x, schedule, guider, tiles_of((8, 8), 8))
        torch.testing.assert_close(tiled, denoise(backbone, x, schedule, guider), atol=1e-5, rtol=1e-4)


def test_tiles_are_the_same_however_many_frames_a_step_is_taken_of(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, schedule = noise(0, 5, (4, 8, 14)), backbone.schedule(2)
    prompt, negative = (Prompt(each) for each in backbone.embed(["a cat", ""]).split(1))
    guider, tiles = ClassifierFree(prompt, negative, [4.0, 3.0, 2.0, 1.5, 1.0], 0.0), tiles_of((8, 14), 8)
    whole = denoise_tiles(backbone, x, schedule, guider, tiles)
    monkeypatch.setattr(mapped, "LARGE", 0)
    monkeypatch.setattr(mapped, "CHUNK", 2)
    assert torch.equal(denoise_tiles(backbone, x, schedule, guider, tiles), whole)


def test_a_large_picture_agrees_with_each_tile_and_repeats(backbone: Backbone) -> None:
    x, schedule = noise(0, 2, (4, 12, 14)), backbone.schedule(3)
    guider, tiles = Unguided(Prompt(backbone.embed(["a cat"]))), tiles_of((12, 14), 8)
    one = backbone.schedule(3).last(1)
    made = denoise_tiles(backbone, x, one, guider, tiles)
    corner = denoise(backbone, x[..., :8, :8], one, guider)
    torch.testing.assert_close(made[..., :4, :4], corner[..., :4, :4], atol=1e-5, rtol=1e-4)
    whole = denoise_tiles(backbone, x, schedule, guider, tiles)
    assert torch.isfinite(whole).all()
    assert torch.equal(whole, denoise_tiles(backbone, x, schedule, guider, tiles))


def test_a_control_is_told_which_tile_it_steers(backbone: Backbone) -> None:
    raise_middle, asked = residuals(backbone).control, []

    def control(tile: Tile) -> object:
        def steer(x: Tensor, t: Timestep, text: Tensor, frames: Frames) -> Residuals:
            asked.append((tile.rows.start, tile.columns.start, tuple(x.shape[2:])))
            return raise_middle(x, t, text, frames)

        return steer

    x, schedule = noise(0, 1, (4, 8, 14)), backbone.schedule(1)
    guider, tiles = Unguided(Prompt(backbone.embed(["a cat"]))), tiles_of((8, 14), 8)
    steered = denoise_tiles(backbone, x, schedule, guider, tiles, control=control)
    assert asked == [(0, tile.columns.start, (8, 8)) for tile in tiles]
    assert (steered - denoise_tiles(backbone, x, schedule, guider, tiles)).abs().max() > 1e-3
