"""Edited key frames carried to the frames between them."""

from __future__ import annotations

import torch

from tests.motion.spreading import GREEN, place, put, square_clip
from vedit.flow import estimate_flow
from vedit.motion.fill import fill

BLUE = torch.tensor([0.1, 0.1, 0.9])


def test_what_is_edited_goes_where_the_thing_does() -> None:
    frames = square_clip()
    edited = torch.stack([put(frames[key], *place(key), GREEN) for key in (0, 3)])
    made = fill(frames, estimate_flow(frames), edited, (0, 3))
    assert torch.equal(made.frames[[0, 3]], edited)
    for between in (1, 2):
        expected = put(frames[between], *place(between), GREEN)
        assert (made.frames[between] - expected).abs().mean() < 0.02
        changed = (expected != frames[between]).any(0)
        assert made.changed[between][changed].float().mean() > 0.9
        assert made.changed[between][~changed].float().mean() < 0.1


def test_segments_do_not_depend_on_each_other() -> None:
    frames = square_clip()
    long = torch.cat([frames, frames.flip(0)[1:]])
    flow, at = estimate_flow(long), (0, 3, 6)
    edited = torch.stack([put(long[key], *place(min(key, 6 - key)), GREEN) for key in at])
    whole = fill(long, flow, edited, at)
    alone = fill(long[:4], flow.frames(0, 4), edited[:2], (0, 3))
    assert torch.equal(whole.frames[:4], alone.frames)
    assert torch.equal(whole.changed[:4], alone.changed)
    edited[2] = put(long[6], *place(0), BLUE)
    other = fill(long, flow, edited, at)
    assert torch.equal(other.frames[:4], whole.frames[:4])
    assert not torch.equal(other.frames[5], whole.frames[5])


def test_neighbours_have_nothing_between_them() -> None:
    frames = square_clip()[:2]
    made = fill(frames, estimate_flow(frames), frames.flip(1), (0, 1))
    assert torch.equal(made.frames, frames.flip(1))
