"""What the UNet and the motion modules learn from: drawn alike each time, told in tokens, and encoded in shards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from transformers import CLIPTokenizer

import world
from training import pool
from training.captions import save_tokenizer
from training.motion_reading import MOTIONS
from training.pool import REACH, TELLINGS, draw, fill, places_of, read_pool, tracks_of
from training.presets import PRESETS, TOKENS
from training.vae import build


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(folder)
    return folder


def test_drawing_repeats_and_tells_what_is_drawn(tokenizer: Path) -> None:
    drawn, again = draw([5, 6], 16, tokenizer), draw([5, 6], 16, tokenizer)
    assert drawn["frames"].shape == (2, 16, 3, world.SIZE, world.SIZE)
    assert drawn["tokens"].shape == (2, TELLINGS, 2, TOKENS)
    assert all(np.array_equal(drawn[name], again[name]) for name in drawn)
    read = CLIPTokenizer.from_pretrained(tokenizer)
    said = {read.decode(row, skip_special_tokens=True) for row in drawn["tokens"].reshape(-1, TOKENS)}
    assert any("over" in each for each in said)


def test_an_object_is_placed_where_its_mask_is() -> None:
    scene = world.sample_clip(3, objects=2)
    tracks = torch.from_numpy(tracks_of(scene, range(8)))
    assert len(tracks) == REACH + 8 + REACH
    for time in (-3, 0, 7):
        there = places_of(tracks[REACH + time], 16)
        _, masks = world.draw_frame(scene, time, 0.0)
        for place, mask in zip(there, masks, strict=True):
            covered = torch.from_numpy(mask).view(16, 8, 16, 8).amax((1, 3)) > 0.5
            assert covered.any()
            assert place[covered].all()
            assert not place.all()


def test_a_pool_is_filled_once(tokenizer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "SHARD", 4)
    monkeypatch.setattr(pool, "TOGETHER", 4)
    torch.manual_seed(0)
    vae: AutoencoderKL = build(PRESETS["small"]).eval()
    fill(tmp_path, vae, tokenizer, 1, 4)
    first = (tmp_path / "1" / "00000.safetensors").stat().st_mtime_ns
    fill(tmp_path, vae, tokenizer, 1, 8)
    assert (tmp_path / "1" / "00000.safetensors").stat().st_mtime_ns == first
    found = read_pool(tmp_path, 1)
    assert found.latents.shape == (8, 1, 4, 16, 16)
    assert found.places(torch.tensor([0, 7]), torch.tensor([[0, -REACH, REACH]])).shape == (2, 3, 2, 16, 16)
    tokens, shares, motions = found.telling(torch.tensor([0, 7, 7]), torch.Generator().manual_seed(0))
    assert tokens.shape == (3, 2, TOKENS)
    assert ((shares >= 0) & (shares <= 1)).all()
    assert motions.shape == (3, 2, len(MOTIONS))
