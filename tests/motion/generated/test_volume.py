"""Flow volumes: from pixels to cells, and in another number of frames."""

from __future__ import annotations

import pytest
import torch

from vedit.motion.generated.volume import FlowVolume, grid_of


def volume() -> FlowVolume:
    """A square of 20 pixels goes 24 to the right upon a ground that goes 8 down; 64 x 48 pixels, 4 frames."""
    held = torch.zeros(48, 64)
    held[10:30, 20:40] = 1
    share = torch.linspace(0, 1, 4)[:, None, None]
    moved = torch.stack([share * (24 * held), share * 8 * (1 - held)], dim=1)
    return FlowVolume.of(moved, held, (6, 8))


def test_a_cell_moves_as_the_thing_or_as_the_ground() -> None:
    found = volume()
    assert found.held[2, 3] == 1
    assert found.held[1, 3] == pytest.approx(0.75)
    assert found.moved[3, :, 1, 3].tolist() == pytest.approx([24 / 64, 0])
    assert found.moved[3, :, 5, 7].tolist() == pytest.approx([0, 8 / 64])
    assert found.moved[0].abs().max() == 0


def test_it_is_packed_for_the_network_and_unpacked() -> None:
    found = volume()
    packed = found.packed(5.0)
    assert packed.shape == (4, 3, 6, 8)
    again = FlowVolume.unpacked(packed, 5.0)
    assert torch.allclose(again.moved, found.moved)
    assert torch.allclose(again.held, found.held)


def test_in_other_frames_it_goes_as_far() -> None:
    found = volume().stretched(7)
    assert found.moved.shape == (7, 2, 6, 8)
    assert found.moved[-1, 0, 2, 3] == pytest.approx(24 / 64)
    assert found.moved[3, 0, 2, 3] == pytest.approx(12 / 64)
    assert len(volume().stretched(1).moved) == 1


def test_cells_are_even_in_number_and_follow_the_aspect() -> None:
    assert grid_of((128, 128), 16) == (16, 16)
    assert grid_of((360, 640), 32) == (18, 32)
    assert grid_of((16, 640), 16) == (2, 16)
