"""What the autoencoder is shown: crops around objects, on its own grid."""

from __future__ import annotations

import torch

from training.data import Pictures
from training.vae import CROP, PATCH, batch, crop


def test_a_crop_is_cut_where_it_begins() -> None:
    pictures = torch.arange(2 * 3 * 128 * 128).view(2, 3, 128, 128)
    cut = crop(pictures, torch.tensor([0, 40]), torch.tensor([64, 8]))
    assert torch.equal(cut[0], pictures[0, :, :CROP, 64 : 64 + CROP])
    assert torch.equal(cut[1], pictures[1, :, 40 : 40 + CROP, 8 : 8 + CROP])


def test_crops_hold_the_object_and_whole_frames_come_every_third_step() -> None:
    masks = torch.zeros(4, 1, 128, 128, dtype=torch.uint8)
    for number, (top, left) in enumerate(((0, 0), (100, 10), (50, 60), (90, 100))):
        masks[number, :, top : top + 20, left : left + 20] = 255
    pool = Pictures(masks.expand(-1, 3, -1, -1).contiguous(), masks, masks.expand(-1, 3, -1, -1).half())
    cut = batch(pool, 0, torch.Generator().manual_seed(0), 8)
    assert cut.pixels.shape == (32, 3, CROP, CROP)
    assert torch.equal(cut.masks.sum((1, 2, 3)), torch.full((32,), 400.0))  # nothing of it is cut off
    edges = cut.masks.amax(2).argmax(-1) % PATCH
    assert set(edges.flatten().tolist()) <= {0, 60 % PATCH, 10 % PATCH, 100 % PATCH}  # cut on the latents' grid
    assert batch(pool, 2, torch.Generator().manual_seed(0), 8).pixels.shape == (8, 3, 128, 128)
