"""Frames in between two others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import Tensor

import world
from vedit.clip import Audio, Clip
from vedit.clip.lazy import LazyClip
from vedit.motion.between import Motion, smoothed
from vedit.shots import Shots

RATE = Fraction(30000, 1001)


def shown(seed: int, frames: int) -> Tensor:
    """A clip of the procedural world (F, 3, H, W)."""
    scene = world.sample_clip(seed, "train", frames=frames)
    return torch.from_numpy(np.asarray(world.render(scene, frames).frames)).clamp(0, 1).float()


def decibels(one: Tensor, other: Tensor) -> float:
    return float(-10 * (one - other).square().mean().log10())


def test_frames_left_out_of_a_clip_come_back() -> None:
    gains = []
    for seed in (1, 2, 3, 4, 5, 6):
        clip = shown(seed, 5)
        made = Motion.of(clip[1], clip[3]).at(0.5)
        blended = (clip[1] + clip[3]) / 2
        if not torch.equal(clip[1], clip[3]):  # of some scenes nothing moves
            gains.append(decibels(made, clip[2]) - decibels(blended, clip[2]))
    assert min(gains) > 1
    assert float(np.median(gains)) > 8


def test_what_is_hidden_comes_from_one_frame_and_what_appears_from_the_other() -> None:
    """A white square goes 12 pixels to the right over a ground with a gradient."""
    ground = torch.linspace(0.2, 0.6, 64).expand(3, 48, 64)
    texture = 0.1 * torch.rand(3, 48, 64, generator=torch.Generator().manual_seed(0))

    def at(left: int) -> Tensor:
        frame = (ground + texture).clone()
        frame[:, 16:32, left : left + 16] = 0.9 + texture[:, 16:32, :16]
        return frame

    motion = Motion.of(at(16), at(28))
    for time, left in ((0.25, 19), (0.5, 22), (0.75, 25)):
        made = motion.at(time)
        missed = (made - at(left)).abs().mean(0)
        assert missed[18:30, left + 4 : left + 11].mean() < 0.05, "the square is where it belongs, and whole"
        assert missed[18:30, 2:13].mean() < 0.02
        assert missed[18:30, 48:62].mean() < 0.02
        assert missed.mean() < (torch.lerp(at(16), at(28), time) - at(left)).abs().mean()


def test_a_picture_that_stays_stays() -> None:
    picture = torch.rand(3, 24, 32, generator=torch.Generator().manual_seed(0))
    assert (Motion.of(picture, picture).at(0.5) - picture).abs().max() < 0.02


@pytest.mark.parametrize("times", [2, 4])
def test_own_frames_stay_and_sound_and_length_are_kept(times: int) -> None:
    clip = Clip(shown(1, 5), RATE, Audio(torch.zeros(1, 4000), 24_000))
    made = smoothed(LazyClip.of(clip), times)
    assert (len(made), made.rate) == (5 * times, RATE * times)
    assert len(made) / made.rate == len(clip) / clip.rate
    assert made.audio is clip.audio
    frames = made.whole().frames
    assert torch.equal(frames[::times], clip.frames)
    assert torch.equal(frames[-times:], clip.frames[-1:].expand(times, -1, -1, -1)), "nothing is known of later"
    between = frames[1::times][:-1]
    assert ((between - clip.frames[:-1]).abs().mean((1, 2, 3)) > 0).all()
    (some,) = made.pick([times + 1]).frames
    assert torch.equal(some, frames[times + 1])
    for each in range(0, 5 * times, 3):
        assert torch.equal(made.frames[each], frames[each])


def test_nothing_is_made_across_a_cut() -> None:
    clip = Clip(torch.cat([shown(1, 3), shown(2, 3)]), RATE)
    told, found = (smoothed(LazyClip.of(clip), 4, shots).whole().frames for shots in (Shots((0, 3)), Shots()))
    for frames in (told, found):  # one that nobody told of shows by itself
        assert torch.equal(frames[8:12], clip.frames[2:3].expand(4, -1, -1, -1))
        assert not torch.equal(frames[5], clip.frames[1])


def test_each_frame_of_the_clip_is_asked_for_once_and_in_order() -> None:
    clip, asked = Clip(shown(1, 4), RATE), []

    def make(indices: Sequence[int]) -> Iterator[Tensor]:
        asked.extend(indices)
        yield from (clip.frames[index] for index in indices)
        asked.append(-1)

    list(smoothed(LazyClip(make, 4, clip.size, RATE), 2).frames)
    assert asked == [0, 1, 2, 3, -1], "and then told that this was all"
