"""Flow as pictures."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from tests.test_flow import moving
from vedit.annotators.flow import OpticalFlow, colour_wheel, draw_flow, every_frame, own_scale
from vedit.clip import Clip
from vedit.flow import estimate_flow


def one(x: float, y: float) -> torch.Tensor:
    return torch.tensor([float(x), float(y)]).view(1, 2, 1, 1)


def test_directions_have_the_wheels_colours() -> None:
    """Those of the Middlebury benchmark: right is red, down yellow, left cyan, up violet."""
    right, down, left, up = (draw_flow(one(*way), 1.0).flatten() for way in ((1, 0), (0, 1), (-1, 0), (0, -1)))
    assert right.argmax() == 0
    assert right[0] == 1
    assert right[1] == 0
    assert torch.allclose(down, torch.tensor([1.0, 0.9, 0.0]), atol=0.11)
    assert left[0] == 0
    assert (left[1:] > 0.7).all()
    assert up[1] == 0
    assert (up[[0, 2]] > 0.3).all()


def test_speed_is_saturation_on_one_scale() -> None:
    assert torch.equal(draw_flow(one(0, 0), 4.0).flatten(), torch.ones(3))
    half, full, beyond = (draw_flow(one(x, 0), 4.0).flatten() for x in (2.0, 4.0, 8.0))
    assert torch.allclose(half, 1 - 0.5 * (1 - full))
    assert torch.allclose(beyond, 0.75 * full)
    around = torch.linspace(0, 2 * torch.pi, 200)
    circle = draw_flow(torch.stack([around.cos(), around.sin()])[None, :, None], 1.0)[0, :, 0]
    assert circle.min() >= 0
    assert circle.max() <= 1
    assert (circle[:, 1:] - circle[:, :-1]).abs().max() < 0.25  # no jump anywhere, at the seam neither


def test_the_wheel_goes_through_the_six_colours() -> None:
    wheel = colour_wheel()
    assert wheel.shape == (55, 3)
    corners = torch.tensor([[1.0, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1]])
    assert torch.equal(wheel[[0, 15, 21, 25, 36, 49]], corners)


def test_every_frame_has_a_picture_and_the_last_the_way_that_led_to_it() -> None:
    clip = Clip(moving((2, 0)), Fraction(8))
    found = OpticalFlow().annotate(clip)
    assert found.frames.shape == clip.frames.shape
    shown = every_frame(found.flow)
    assert torch.equal(shown[:-1], found.flow.forward)
    assert (shown[-1, 0, 10:-10, 10:-10] - 2).abs().mean() < 0.1
    # All of it moves to the right: red in every frame, the last one too.
    assert (found.frames[:, 0, 10:-10, 10:-10].mean((1, 2)) > 0.9).all()
    assert (found.frames[:, 1:, 10:-10, 10:-10].mean((1, 2, 3)) < 0.4).all()


def test_a_still_clip_is_white_and_a_single_frame_too() -> None:
    still = moving((0, 0), frames=3)
    assert OpticalFlow().annotate(Clip(still, Fraction(8))).frames.min() > 0.95
    assert (OpticalFlow().annotate(Clip(still[:1], Fraction(8))).frames == 1).all()


def test_the_scale_is_the_clips_own_unless_given() -> None:
    clip = Clip(moving((3, 0)), Fraction(8))
    flow = every_frame(estimate_flow(clip.frames))
    assert own_scale(flow) == pytest.approx(3, abs=1)
    assert own_scale(flow * 0) == 1.0
    pale = OpticalFlow(OpticalFlow.Options(scale=30)).annotate(clip).frames
    assert torch.allclose(pale, draw_flow(flow, 30.0))
    with pytest.raises(ValidationError):
        OpticalFlow.Options(scale=0)


def test_the_numbers_can_be_kept(tmp_path: Path) -> None:
    found = OpticalFlow().annotate(Clip(moving((1, 1), frames=3), Fraction(8)))
    found.save_data(tmp_path / "flow.npz")
    assert np.array_equal(np.load(tmp_path / "flow.npz")["backward"], found.flow.backward.numpy())
