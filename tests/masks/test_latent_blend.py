"""From pixels that may change to latents that may."""

from __future__ import annotations

import torch

from vedit.masks import latent_mask, untouched_pixels


def test_what_the_mask_covers_opens_wholly_and_its_surroundings_softly() -> None:
    pixels = torch.zeros(1, 1, 40, 40)
    pixels[..., 8:24, 8:20] = 1  # two latents down; across one and a half
    opened = latent_mask(pixels, 8, steps=10)[0, 0]
    assert opened.shape == (5, 5)
    assert (opened[1:3, 1:3] == 1).all()
    assert ((opened[0, :4] > 0) & (opened[0, :4] < 1)).all()
    assert (opened[4] == 0).all()
    assert (opened[:, 4] == 0).all()
    kept = untouched_pixels(opened[None, None], (40, 40))[0, 0]
    assert (kept[32:] == 1).all()
    assert (kept[:32, :32] == 0).all()


def test_a_latent_that_is_hardly_touched_opens_in_part() -> None:
    pixels = torch.zeros(1, 1, 24, 24)
    pixels[..., 8, 8:16] = 1  # an eighth of one latent
    assert 0.4 < float(latent_mask(pixels, 8, steps=10)[0, 0, 1, 1]) < 0.6


def test_a_grey_leaves_its_share_of_the_first_steps_change() -> None:
    opened = latent_mask(torch.full((1, 1, 8, 8), 0.5), 8, steps=20)
    assert torch.allclose(opened**20, torch.tensor(0.5))
    assert latent_mask(torch.ones(1, 1, 8, 8), 8, steps=20).item() == 1
    assert latent_mask(torch.zeros(1, 1, 8, 8), 8, steps=20).item() == 0
