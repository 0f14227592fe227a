"""What the ControlNet `motion` is shown."""

from __future__ import annotations

import torch

from tests.motion.making import drawn, line, square
from vedit.motion.dense import dense_flow
from vedit.motion.learnt.next_frame import CHANNELS, motion_pictures


def test_a_frame_is_shown_moved_with_where_it_is_seen_and_how_far_it_went() -> None:
    picture, inside = square()
    flow = dense_flow(drawn(line((16, 24), (40, 24), 3), masks=(inside,)), picture)
    shown = motion_pictures(picture, flow.backward, flow.visible)
    assert shown.shape == (3, CHANNELS, 48, 64)
    torch.testing.assert_close(shown[0], torch.cat([picture, torch.ones(1, 48, 64), torch.zeros(2, 48, 64)]))
    assert torch.equal(shown[2, 3] > 0, flow.visible[2])
    assert shown[2, :, ~flow.visible[2]].abs().max() == 0
    assert shown[2, 0, 24, 40] > 0.85
    assert abs(float(shown[2, 4, 24, 40]) + 24 / 64) < 0.01


def test_each_may_be_of_another_frame() -> None:
    frames = torch.rand(2, 3, 8, 8)
    shown = motion_pictures(frames, torch.zeros(2, 2, 8, 8), torch.ones(2, 8, 8))
    torch.testing.assert_close(shown[:, :3], frames)
