"""Canny edges: thresholds of the clip itself, an object's outline and not its ground."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import cv2
import numpy as np
import pytest
import torch
from pydantic import ValidationError

from vedit.annotators.edge import FAINTEST, Edge
from vedit.clip import Clip
from world import BACKGROUNDS, Rendered, render, sample_scene


def clip_of(*pictures: torch.Tensor) -> Clip:
    return Clip(torch.stack(pictures), Fraction(8))


def step(level: float, size: tuple[int, int] = (40, 48)) -> torch.Tensor:
    """Grey on the left, and lighter by ``level`` from the middle on."""
    picture = torch.full((3, *size), 0.3)
    picture[:, :, size[1] // 2 :] += level
    return picture


def world(background: str) -> Rendered:
    scenes = (sample_scene(seed, "held_out", frames=2) for seed in range(400))
    return render(next(scene for scene in scenes if scene.background == background), 2)


def near(lines: np.ndarray, others: np.ndarray) -> float:
    """The share of ``lines`` that lies within 2 pixels of ``others``."""
    away = cv2.distanceTransform((~others).astype(np.uint8), cv2.DIST_L2, 5)
    return float((away[lines] <= 2).mean())


def test_lines_are_white_on_black_and_where_the_edge_is() -> None:
    drawn = Edge().annotate(clip_of(step(0.4))).frames
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(drawn[:, 0], drawn[:, 2])
    columns = drawn[0, 0].sum(0).nonzero().flatten().tolist()
    assert len(columns) == 1
    assert abs(columns[0] - 23.5) <= 0.5
    assert drawn[0, 0].sum() == 40, "to the border"


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_of_an_object_on_a_texture_the_outline_is_drawn(background: str) -> None:
    scene = world(background)
    drawn = Edge().annotate(Clip(torch.from_numpy(scene.frames).float(), Fraction(8))).frames[:, 0].numpy() > 0.5
    for lines, mask in zip(drawn, scene.masks[:, 0], strict=True):
        inside = (mask > 0.5).astype(np.uint8)
        outline = (inside - cv2.erode(inside, np.ones((3, 3), np.uint8))).astype(bool)
        assert near(outline, lines) > 0.9, "of the outline is drawn"
        assert near(lines, outline) > (0.4 if background == "brick" else 0.75), "of the lines are the outline"


def test_one_pair_of_thresholds_serves_the_clip() -> None:
    """So an edge does not come and go with what else is to be seen."""
    faint, strong = step(0.1), step(0.6)
    alone = Edge().annotate(clip_of(faint)).frames[0]
    together = Edge().annotate(clip_of(faint, strong)).frames
    assert alone.sum() > 0
    assert together[0].sum() == 0, "beside the strong edge, the faint one is flat"
    assert together[1].sum() > 0
    noise = torch.rand(3, 40, 48, generator=torch.Generator().manual_seed(0)) * 0.1
    quiet, busy = step(0.5) + noise, step(0.5)
    low, high = Edge().thresholds(clip_of(quiet, busy))
    assert FAINTEST <= low <= high
    assert (low, high) == Edge().thresholds(clip_of(busy, quiet))


@pytest.mark.parametrize(
    "picture",
    [
        torch.zeros(3, 16, 16),
        torch.full((3, 16, 16), 0.7),
        torch.linspace(0.2, 0.6, 256).expand(3, 64, 256),
        0.5 + 0.008 * torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(0)),
    ],
    ids=["black", "grey", "a slow ramp", "noise of two levels"],
)
def test_where_there_is_nothing_to_see_nothing_is_drawn(picture: torch.Tensor) -> None:
    assert Edge().annotate(clip_of(picture)).frames.sum() == 0


def test_an_edge_between_colours_of_one_brightness() -> None:
    picture = torch.zeros(3, 32, 32)
    picture[0, :, :16], picture[2, :, 16:] = 0.6, 0.6
    assert Edge().annotate(clip_of(picture)).frames.sum() > 0


def test_the_options_are_opencvs_own() -> None:
    """With both thresholds given and no blur, a frame is what OpenCV makes of it."""
    picture = torch.from_numpy(world("stone").frames[0]).float()
    options = Edge.Options(low=60, high=150, blur=0)
    pixels = (picture.permute(1, 2, 0).numpy() * 255).round().clip(0, 255).astype(np.uint8)
    expected = cv2.Canny(pixels, 60, 150, L2gradient=True)
    assert expected.any()
    assert np.array_equal(Edge(options).annotate(clip_of(picture)).frames[0, 0].numpy() * 255, expected)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"low": 30, "high": 70}, lambda low, high: (30, 70)),
        ({"low": 1}, lambda low, high: (1, high)),
        ({"low": 1999}, lambda low, high: (1999, 1999)),
        ({"high": 2}, lambda low, high: (2, 2)),
        ({"high": 1999}, lambda low, high: (low, 1999)),
    ],
)
def test_a_threshold_that_is_given_is_kept(
    options: dict[str, float], expected: Callable[[float, float], tuple[float, float]]
) -> None:
    clip = clip_of(step(0.4) + 0.1 * torch.rand(3, 40, 48, generator=torch.Generator().manual_seed(0)))
    chosen = Edge().thresholds(clip)
    assert chosen[0] < chosen[1]
    assert Edge(Edge.Options(**options)).thresholds(clip) == expected(*chosen)


def test_low_is_not_above_high() -> None:
    with pytest.raises(ValidationError, match="low is 200 and high 100"):
        Edge.Options(low=200, high=100)
