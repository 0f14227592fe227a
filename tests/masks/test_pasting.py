"""The clip's own pixels, put back into an edit."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vedit.clip.sizes import resize
from vedit.masks import edited_share, paste

OPEN = torch.ones(1, 1, 5, 5)


def grey(of: float = 0.5) -> Tensor:
    """A frame (1, 3, 40, 40)."""
    return torch.full((1, 3, 40, 40), of)


def with_thing(frame: Tensor, by: float) -> Tensor:
    """The frame with a square of 16 pixels whose green is changed."""
    changed = frame.clone()
    changed[:, 1, 12:28, 12:28] += by
    return changed


def test_what_the_mask_closes_is_the_originals_and_fades_over_a_latent() -> None:
    original, edited = torch.zeros(2, 3, 40, 80), torch.ones(2, 3, 40, 80)
    mask = torch.zeros(2, 1, 5, 10)
    mask[0, 0, 1:4, 2:6] = 1
    mask[0, 0, 2, 6] = 0.2  # open in part is open: what its latent shows is not the original's
    share = edited_share(edited, original, mask)
    assert not share[1].any()
    assert (share[0, 0, 12:28, 20:44] == 1).all()
    assert not share[0, :, :4].any()
    assert not share[0, :, :, 60:].any()
    across = share[0, 0, 20, 8:24]
    assert (across.diff() >= 0).all()
    assert ((across > 0) & (across < 1)).any()


@pytest.mark.parametrize("halo", [0.02, 0.05])
def test_a_halo_around_what_changed_is_put_back(halo: float) -> None:
    original = grey()
    edited = with_thing(original + halo, 0.4)
    share = edited_share(edited, original, OPEN)
    assert (share[..., 13:27, 13:27] == 1).all()
    assert not share[..., :10, :].any()
    assert torch.equal(paste(edited, original, share)[..., :10, :], original[..., :10, :])


def test_a_second_change_that_is_plain_to_the_eye_stays_however_strong_the_first_is() -> None:
    edited = with_thing(grey() + 0.13, 0.8)
    assert (edited_share(edited, grey(), OPEN) == 1).all()


def test_an_edit_that_is_faint_as_a_whole_stays() -> None:
    edited = with_thing(grey(), 0.03)
    share = edited_share(edited, grey(), OPEN)
    assert (share[..., 13:27, 13:27] == 1).all()
    assert not share[..., :10, :].any()


def test_where_nothing_changed_nothing_is_pasted_amiss() -> None:
    assert torch.equal(paste(grey(), grey(), edited_share(grey(), grey(), OPEN)), grey())


def test_pasting_is_at_the_originals_size() -> None:
    generator = torch.Generator().manual_seed(0)
    original, edited = torch.rand((2, 3, 80, 160), generator=generator), torch.rand((2, 3, 40, 80), generator=generator)
    share = torch.zeros(2, 1, 40, 80)
    share[0, :, 10:30, 10:50] = 1
    made = paste(edited, original, share)
    assert torch.equal(made[1], original[1])
    larger = resize(edited, (80, 160))
    assert torch.allclose(made[0, :, 24:56, 24:96], larger[0, :, 24:56, 24:96])
    assert torch.equal(made[0, :, :16], original[0, :, :16])
