"""Strokes over a picture."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch

from vedit.motion.strokes import Drawn
from vedit.motion.strokes.overlay import overlay
from vedit.motion.strokes.reading import checked

GREY = torch.full((3, 96, 128), 0.5)


def drawn(**values: Any) -> Drawn:
    content = {"version": 1, "size": [128, 96], "frames": 8, **values}
    return checked(content, Path("s.yaml")).at((96, 128), 8, Fraction(8))


def coloured(picture: torch.Tensor) -> torch.Tensor:
    """Where a grey picture has the red of the first stroke's lines."""
    return picture[0] - picture[1] > 0.2


def test_a_way_is_seen_where_it_goes() -> None:
    found = overlay(drawn(strokes=[{"points": [[20, 60], [110, 60]], "radius": 4}]), GREY)
    assert found.shape == GREY.shape
    assert 0 <= float(found.min()) <= float(found.max()) <= 1
    assert coloured(found)[57:64, 60:100].any(0).float().mean() > 0.6, "but for a dot at each frame"
    assert not coloured(found)[80:, :].any()


def test_in_a_frame_the_point_is_where_it_has_come() -> None:
    strokes = drawn(strokes=[{"points": [[20, 60], [110, 60]], "radius": 10}])
    first, last = (overlay(strokes, GREY, frame) for frame in (0, 7))
    ring = torch.zeros(96, 128, dtype=torch.bool)
    ring[49:52, 15:25] = True  # the upper edge of its reach
    assert coloured(first)[ring].any()
    assert not coloured(last)[ring].any()
    assert coloured(last)[49:52, 105:115].any()


def test_a_mask_and_an_anchor_are_tinted() -> None:
    still = overlay(drawn(), GREY)
    strokes = [{"points": [[20, 60], [30, 60]], "mask": "box:60,10,30,30"}]
    found = overlay(drawn(strokes=strokes, anchors=[[100, 80]]), GREY)
    changed = (found - still).abs().amax(0) > 0.05
    assert changed[15:35, 65:85].all()
    assert changed[80, 100]
    assert (still - 0.5 * 0.72).abs().max() < 0.02


def test_the_camera_is_arrows_over_all_of_it_and_moves_each_frame() -> None:
    strokes = drawn(camera={"pan": [20, 0]})
    assert (overlay(strokes, GREY) > 0.9).sum() > 100
    picture = torch.zeros(3, 96, 128)
    picture[:, :, :64] = 1
    assert float(overlay(strokes, picture, 7)[0, 48, 78]) > 0.6
    assert float(overlay(strokes, picture, 0)[0, 48, 78]) < 0.1


def test_what_sways_is_drawn_with_how_far_it_goes_and_where_it_is() -> None:
    sea = {"mask": "box:20,20,40,40", "frequency": 2, "amplitude": 12, "wave": "none", "root": [40, 60]}
    still = overlay(drawn(), GREY)
    swaying = drawn(sway=[sea, {"point": [100, 70], "frequency": 1, "amplitude": 3}])
    changed = (overlay(swaying, GREY) - still).abs().amax(0) > 0.05
    assert changed[22:58, 22:58].float().mean() > 0.95
    assert changed[70, 100]
    assert coloured(overlay(swaying, GREY))[50, 19:22].any(), "its outline"
    assert coloured(overlay(swaying, GREY, 1))[50, 31:34].any(), "moved by its amplitude after a quarter of its time"


def test_a_name_stands_on_its_plate() -> None:
    one, other = (
        overlay(drawn(strokes=[{"points": [[60, 50], [20, 90]], "name": name}]), GREY) for name in ("ABBA", "BAAB")
    )
    letters = (one - other).abs().amax(0) > 0.3
    assert letters.any()
    assert torch.minimum(one, other).amax(0)[letters].median() < 0.3, "dark, where there is no letter"


@pytest.mark.parametrize("frame", [None, 0, 7])
def test_many_at_the_edges_are_drawn_without_a_fault(frame: int | None) -> None:
    points = [[[0, 0], [127, 95]], [[127, 0], [127, 0]], [[140, 50], [-20, 50]]]
    strokes = drawn(
        strokes=[{"points": each, "radius": 90, "name": "n" * 40 + str(i)} for i, each in enumerate(points)]
    )
    assert overlay(strokes, GREY, frame).isfinite().all()
