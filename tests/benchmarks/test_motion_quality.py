"""Clips of words are judged by what their objects do, and by what becomes of them."""

from dataclasses import replace

import pytest
import torch

from benchmarks.judge import Judge, load_judge
from benchmarks.judge.joints import Joints, load_joints
from benchmarks.motion_quality import KINDS, Case, cases, exact, measure, ordered, paced


@pytest.fixture(scope="module")
def judge() -> Judge:
    return load_judge()


@pytest.fixture(scope="module")
def finder() -> Joints:
    return load_joints()


def first(kind: str) -> Case:
    return next(case for case in cases(0.05, 955_000) if case.kind == kind)


def test_there_are_256_captions_of_every_kind() -> None:
    every = cases()
    assert len(every) == 256
    assert {case.kind for case in every} == set(KINDS)
    assert len({case.scene.caption for case in every if case.kind == "straight"}) > 60


@pytest.mark.parametrize("kind", KINDS)
def test_a_captions_own_clip_is_right(kind: str, judge: Judge, finder: Joints) -> None:
    case = first(kind)
    found = measure(exact(case), case, judge, finder)
    assert found["moves"] == 1
    assert found["all"] > 0.9
    assert found["change"] < 0.2


def test_a_clip_that_runs_backwards_or_stands_is_not(judge: Judge, finder: Joints) -> None:
    case = first("straight")
    frames = exact(case)
    assert measure(frames.flip(0), case, judge, finder)["moves"] == 0
    standing = measure(frames[:1].expand(16, -1, -1, -1), case, judge, finder)
    assert standing["moves"] == 0
    assert standing["change"] == 0
    jumping = frames[torch.tensor([*range(8), 0, *range(9, 16)])]
    assert measure(jumping, case, judge, finder)["leap"] > measure(frames, case, judge, finder)["leap"] + 5


def test_the_joints_of_a_figure_are_found_where_it_is_alone(judge: Judge, finder: Joints) -> None:
    people = [case for case in cases(0.3, 955_000) if any(each.shape == "person" for each in case.scene.objects)]
    alone = next(case for case in people if len(case.scene.objects) == 1)
    assert measure(exact(alone)[:6], alone, judge, finder)["joints"] > 0.85
    beside = next(case for case in people if len(case.scene.objects) == 2)
    assert "joints" not in measure(exact(beside)[:6], beside, judge, finder)


def test_another_colour_a_missing_thing_and_a_lost_limb_are_seen(judge: Judge, finder: Joints) -> None:
    case = first("two")
    other = replace(case, scene=case.scene.changed(shape="star" if case.scene.objects[0].shape != "star" else "circle"))
    found = measure(exact(other), case, judge, finder)
    assert found["shape"] <= 0.6
    alone = replace(case, scene=replace(case.scene, objects=case.scene.objects[:1]))
    assert measure(exact(alone), case, judge, finder)["objects"] == 0


def test_paces_are_in_order_where_speeds_are() -> None:
    case = first("straight")
    told = [{"kind": "straight", "seed": 1, "pace": pace, "speed": paced(case.scene, pace).objects[0].speed}
            for pace in ("slowly", "plain", "fast")]  # fmt: skip
    assert ordered(told) == [1.0]
    told[0]["speed"] = 9.0
    assert ordered(told) == [0.0]
