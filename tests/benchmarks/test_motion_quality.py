"""What is measured of clips from words, by a judge who knows: all of real ones, and not of those that do otherwise."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import world
from benchmarks.judge.joints import Joints
from benchmarks.motion_prompts import KINDS, PACED_EVERY, Case, case, paced
from benchmarks.motion_quality import LOOKS, MOTION, joined, lines, measure, pace_lines, speeds
from benchmarks.record import record
from tests.benchmarks.exact import ExactJudge


def measured(now: Case, shown: world.Scene | None = None) -> dict[str, object]:
    """Of a prompt, when this is what the clip shows; by default what it should."""
    clip = world.render(shown or now.scene, 16)
    return measure(torch.from_numpy(clip.frames).float(), now, ExactJudge(clip), Joints().eval())


@pytest.mark.parametrize("number", range(len(KINDS)))
def test_a_real_clip_is_right(number: int) -> None:
    now = case(number)
    found = measured(now)
    assert now.kind == KINDS[number]
    assert found["path"]
    assert found["every_frame"]
    assert found["leap"] < 2  # type: ignore[operator]
    assert np.isnan(found["camera"]) or found["camera"]  # type: ignore[call-overload]
    assert np.isnan(found["drift"]) == (now.kind != "still")  # type: ignore[call-overload]


@pytest.mark.parametrize("number", range(len(KINDS)))
def test_a_clip_of_something_else_is_wrong(number: int) -> None:
    now = case(number)
    ways = tuple(
        replace(thing, path="straight", direction="up" if thing.direction != "up" else "down")
        for thing in now.scene.objects
    )
    ground = "brick" if now.scene.background != "brick" else "sand"
    found = measured(now, replace(now.scene, objects=ways, background=ground))  # type: ignore[arg-type]
    assert not found["path"]
    assert found["ground"] == 0
    assert not found["every_frame"]


def test_what_the_camera_does_is_not_what_things_do() -> None:
    now = next(each for each in map(case, range(6, 80, 7)) if each.scene.objects[0].path == "still")
    assert measured(now)["path"]
    standing = measured(now, replace(now.scene, camera=(0.0, 0.0)))
    assert standing["path"]
    assert not standing["camera"]
    against = replace(now.scene, camera=(-now.scene.camera[0], -now.scene.camera[1]))
    assert not measured(now, replace(against, objects=now.scene.objects))["camera"]


def test_two_things_must_both_go_as_told() -> None:
    now = next(each for each in map(case, range(5, 80, 7)) if each.scene.objects[1].path != "still")
    one, other = now.scene.objects
    standing = replace(other, path="still", start=other.position(0))
    assert not measured(now, replace(now.scene, objects=(one, standing)))["path"]
    assert measured(now, replace(now.scene, objects=(one,)))["count"] == 0


class Showing(ExactJudge):
    """Shows clips one after the other, and judges the one that was shown last."""

    def __init__(self, clips: list[world.Rendered]) -> None:
        super().__init__(clips[0])
        self.clips = iter(clips)

    def show(self, now: Case) -> torch.Tensor:
        self.clip = next(self.clips)
        return torch.from_numpy(self.clip.frames)


@pytest.mark.parametrize("number", range(0, 3 * PACED_EVERY, PACED_EVERY))
def test_speeds_are_in_the_order_of_their_words(number: int) -> None:
    told = paced(number)
    assert len({each.prompt for each in told.values()}) == 3
    clips = [world.render(each.scene, 16) for each in told.values()]
    for order, right in ((clips, True), (clips[::-1], False), (clips[:1] * 3, False)):
        judge = Showing(order)
        assert speeds(number, judge.show, judge)["ordered"] is right


def test_pieces_are_shown_together(tmp_path: Path) -> None:
    clip = measured(case(0))
    pace = {"number": 0, "kind": "straight", "slowly": 1.0, "plain": 2.5, "fast": 4.5, "ordered": True}
    for name in ("a", "b"):
        record(tmp_path / name, {"the model": {"clips": [clip], "paces": [pace]}})
    found = joined([tmp_path / "a", tmp_path / "b"])
    assert [len(each) for each in found["the model"].values()] == [2, 2]
    assert lines(found, MOTION)[0][:3] == ["all: the model", "2", "100 % [100, 100]"]
    assert len(lines(found, LOOKS)[0]) == len(LOOKS) + 2
    assert [each[1] for each in pace_lines(found)] == ["2", "2"]
