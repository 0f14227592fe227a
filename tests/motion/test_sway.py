"""Swaying: how far, how often, where, and that loops close."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.motion.making import SIZE, square
from vedit.motion.dense import DenseFlow, dense_flow
from vedit.motion.first_frame import keep_first
from vedit.motion.strokes.reading import checked
from vedit.timeline import Moments

RATE = Fraction(8)
INSIDE = "box:8,16,16,16"


def flow(frames: int = 32, sound: Moments | None = None, picture: Tensor | None = None, **values: Any) -> DenseFlow:
    file = checked({"version": 1, "size": [64, 48], **values}, Path("s.yaml"))
    return dense_flow(file.at(SIZE, frames, RATE, sound), square()[0] if picture is None else picture)


def swaying(**values: Any) -> list[dict[str, Any]]:
    return [{"mask": INSIDE, "frequency": 0.5, "amplitude": 4, "wave": "none", **values}]


def along_x(found: DenseFlow) -> Tensor:
    """How far (F,) the middle of the square has gone to the right."""
    return found.forward[:, 0, 24, 16]


def test_it_goes_to_and_fro_as_often_and_as_far_as_it_is_asked_to() -> None:
    found = flow(sway=swaying())
    spectrum = torch.fft.rfft(along_x(found)).abs() * 2 / 32
    assert int(spectrum.argmax()) == 2, "half a time per second, in 4 seconds"
    assert float(spectrum[2]) == pytest.approx(4, rel=0.02)
    assert found.forward[:, 1].abs().max() < 1e-5
    assert found.forward[:, :, :, 40:].abs().max() == 0
    assert found.forward[0].abs().max() == 0
    assert found.notes == ()


def test_what_it_shows_is_the_picture_moved() -> None:
    found = flow(sway=swaying(frequency=1))
    assert along_x(found)[2] == pytest.approx(4, abs=1e-4)
    assert (found.backward[2, 0, 18:30, 14:26] + 4).abs().max() < 0.1
    assert found.drawn[2, 18:30, 14:26].all()
    assert not found.visible[2, 18:30, 9:11].any(), "what it has uncovered"


def test_several_waves_add_up_and_directions_turn_clockwise() -> None:
    found = flow(sway=swaying(frequency=[0.5, 1.5], amplitude=[3, 1], direction=90))
    spectrum = torch.fft.rfft(found.forward[:, 1, 24, 16]).abs() * 2 / 32
    assert spectrum[[2, 6]].tolist() == pytest.approx([3, 1], rel=0.02)
    assert along_x(found).abs().max() < 1e-4


def test_a_wave_runs_over_it_evenly() -> None:
    whole = [{"mask": "box:0,0,1,1", "frequency": 1, "amplitude": 2, "wave": 64}]
    found = flow(16, sway=whole)
    phases = torch.fft.rfft(found.forward[:, 0, 24], dim=0)[2].angle()  # along a row
    steps = torch.diff(phases)
    steps = torch.remainder(steps + torch.pi, 2 * torch.pi) - torch.pi
    assert torch.allclose(steps, torch.full_like(steps, -2 * torch.pi / 64), atol=1e-3)


def test_what_is_held_at_its_root_sways_the_more_the_further_from_there() -> None:
    found = flow(sway=swaying(root=[16, 31])).forward[4, 0]
    assert found[31, 16].abs() < 0.01
    assert 0 < float(found[28, 16]) < float(found[24, 16]) < float(found[17, 16])


def test_its_amplitude_follows_what_is_heard() -> None:
    loud = [0.1 + 0.8 * (frame % 16) / 15 for frame in range(64)]
    found = along_x(flow(64, Moments(64, RATE, features={"loudness": loud}), sway=swaying(
        frequency=2, amplitude="6*loudness")))  # fmt: skip
    peaks = found.abs()[1::2]
    asked = 6 * torch.tensor(loud)[1::2]
    assert float(torch.corrcoef(torch.stack([peaks, asked]))[0, 1]) > 0.99


def test_it_may_be_counted_by_beats_and_its_frequency_may_vary() -> None:
    beats = [frame / 4 for frame in range(16)]
    by_beat = along_x(flow(16, Moments(16, RATE, beats=beats), sway=swaying(per="beat")))
    assert torch.allclose(by_beat, along_x(flow(16, sway=swaying(frequency=1))), atol=1e-4)
    faster = along_x(flow(32, sway=swaying(frequency="0:0.5, 31:2")))
    assert (faster[:16].sign().diff() != 0).sum() < (faster[16:].sign().diff() != 0).sum()


def test_a_loop_closes() -> None:
    found = along_x(flow(16, loop=True, sway=swaying(frequency=1, phase=50)))
    assert (found[0] - found[-1]).abs() <= found.diff().abs().max() * 1.01


def test_anchors_hold_against_it_and_strokes_carry_it_along() -> None:
    held = flow(sway=swaying(), anchors=[{"point": [12, 20], "mask": "box:8,16,8,16"}])
    assert held.forward[:, :, 17:31, 9:15].abs().max() == 0
    assert held.forward[4, 0, 24, 20] > 3.9
    stroke = [{"points": [[16, 24], [31, 24]], "mask": INSIDE}]
    carried, alone = flow(16, sway=swaying(), strokes=stroke), flow(16, sway=swaying())
    assert torch.allclose(along_x(carried) - along_x(alone), torch.arange(16.0), atol=1e-3)


def test_what_lies_around_a_point_sways_up_to_the_edge_of_its_thing() -> None:
    around = [{"point": [16, 24], "radius": 9, "frequency": 1, "amplitude": 3, "wave": "none"}]
    found = flow(sway=around)
    assert along_x(found)[2] == pytest.approx(3, abs=0.01)
    assert found.forward[2, 0, 24, 30].abs() < 0.01


def test_one_that_sways_too_far_for_its_width_is_told_of() -> None:
    whole = [{"mask": "box:0,0,1,1", "frequency": 1, "amplitude": 12, "wave": 16, "name": "sea"}]
    assert flow(8, sway=whole).notes == (
        "sea: it sways so far that the picture folds over itself; lower its amplitude.",
    )


def test_one_that_anchors_hold_altogether_is_told_of() -> None:
    anchors = [{"point": [12, 20], "mask": "box:2,2,40,40"}]
    found = flow(4, sway=swaying(root=[16, 40], name="flag"), anchors=anchors)
    assert found.notes == ("flag: nothing of it sways; give it a larger radius, or move the anchors.",)
    assert found.forward.abs().max() == 0


def test_in_a_loop_what_the_vae_lost_is_put_back_from_both_ends() -> None:
    found = flow(16, loop=True, sway=swaying(frequency=1))
    picture, _ = square()
    blurred = (picture * 0.9).expand(16, 3, *SIZE)
    kept = keep_first(blurred, picture, found, loop=True)
    lost = (kept - picture).abs().mean((1, 2, 3))
    assert lost[0] == 0
    assert lost[1] < lost[3]
    assert lost[15] < lost[13]
    once = keep_first(blurred, picture, found)
    assert torch.equal(once[15], blurred[15])
