"""Detectors: what each calls a joint, what is said where none is installed, and MediaPipe where it is."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.annotators.pose.making import STANDING
from vedit import registry
from vedit.annotators.pose import Pose, draw
from vedit.annotators.pose.detectors import (
    DETECTORS,
    FROM_COCO,
    FROM_MEDIAPIPE,
    Person,
    _with_neck,
    detect,
    from_openpose,
    gathered,
)
from vedit.clip import Clip, read_clip
from vedit.clip.lazy import Forwards, LazyClip
from vedit.errors import PartError, VeditWarning
from world.shapes import JOINTS

ASSETS = Path(os.environ.get("VEDIT_ASSETS", Path(__file__).resolve().parents[4] / "shared" / "assets"))
RUNNING = ASSETS / "media" / "video" / "woman-running.mp4"

COCO = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle",
)  # fmt: skip
MEDIAPIPE = (
    "nose", "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye", "right_eye_outer",
    "left_ear", "right_ear", "mouth_left", "mouth_right", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_pinky", "right_pinky", "left_index", "right_index",
    "left_thumb", "right_thumb", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
    "left_heel", "right_heel", "left_foot_index", "right_foot_index",
)  # fmt: skip


@pytest.mark.parametrize(("names", "order"), [(COCO, FROM_COCO), (MEDIAPIPE, FROM_MEDIAPIPE)])
def test_points_come_in_openpose_s_order(names: tuple[str, ...], order: tuple[int, ...]) -> None:
    places, scores = np.zeros((len(names), 2)), np.full(len(names), 0.9)
    for name, place in zip(JOINTS, STANDING, strict=True):
        if name != "neck":
            places[names.index(name)] = place
    scores[names.index("left_shoulder")] = 0.4
    person = _with_neck(places, scores, order)
    expected = STANDING.copy()
    expected[1] = (STANDING[2] + STANDING[5]) / 2
    np.testing.assert_allclose(person[:, :2], expected)
    assert person[1, 2] == 0.4


def test_frames_may_have_nobody_in_them() -> None:
    one, two = np.ones((18, 3)), np.full((18, 3), 2.0)
    people = gathered([[], [one], [one, two]])
    assert people.shape == (3, 2, 18, 3)
    assert people.max(axis=(2, 3)).tolist() == [[0, 0], [1, 0], [1, 2]]
    assert gathered([[], []]).shape == (2, 0, 18, 3)


def test_openpose_s_people_are_put_together_from_its_candidates() -> None:
    candidates = [[10.0, 20.0, 0.7, 0], [30.0, 40.0, 1.02, 1], [50.0, 60.0, 0.5, 2]]
    row = np.full((2, 20), -1.0)
    row[0, 0], row[0, 4], row[1, 17] = 2, 0, 1
    people = from_openpose(np.array(candidates), row)
    assert people.shape == (2, 18, 3)
    assert people[0, 0].tolist() == [50, 60, 0.5]
    assert people[0, 4].tolist() == [10, 20, 0.7]
    assert people[1, 17].tolist() == [30, 40, 1]
    assert np.count_nonzero(people[..., 2]) == 3
    assert from_openpose(np.array([]), np.zeros((0, 20))).shape == (0, 18, 3)


def test_a_missing_detector_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    clip = Clip(torch.zeros(2, 3, 32, 32), Fraction(8))
    for package, _ in DETECTORS.values():
        for name in [each for each in sys.modules if each.split(".")[0] == package]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, package, None)  # as if it were not there
    for name, extra in [("mediapipe", "pose"), ("rtmpose", "rtmpose"), ("openpose", "annotators")]:
        # Weights are only looked for where there is something to read them.
        with pytest.raises(PartError, match=rf"'{name}' cannot be used here.*pip install 'vedit\[{extra}\]'"):
            Pose(Pose.Options(detector=name)).annotate(clip)


def test_auto_without_any_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    for package, _ in DETECTORS.values():
        monkeypatch.delitem(sys.modules, package, raising=False)
    with pytest.raises(PartError, match=r"none is installed; pip install 'vedit\[pose\]', or give keypoints"):
        detect("auto", Clip(torch.zeros(2, 3, 32, 32), Fraction(8)), torch.device("cpu"))


def test_a_clip_that_is_never_whole_is_looked_at_and_what_is_amiss_with_it_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def brightest(frames: Tensor | Forwards, device: torch.device, weights: Path | None) -> Iterator[list[Person]]:
        warnings.warn("a detector's own", UserWarning, stacklevel=1)
        for frame in frames:
            yield [np.full((18, 3), [float(frame[0].argmax()), 5.0, 1.0])]

    monkeypatch.setitem(DETECTORS, "mediapipe", ("numpy", brightest))

    def make(numbers: Sequence[int]) -> Iterator[Tensor]:
        for number in numbers:
            frame = torch.zeros(3, 32, 32)
            frame[0, 0, 2 * number + 3] = 1.0
            yield frame
        warnings.warn("it is damaged", VeditWarning, stacklevel=1)

    clip = LazyClip(make, 6, (32, 32), Fraction(8))
    with pytest.warns(VeditWarning, match="it is damaged") as told:
        found = Pose(Pose.Options(detector="mediapipe", smooth="none")).annotate(clip)
    assert len(told) == 1
    assert found.keypoints.points[:, 0, 0, 0].tolist() == [3, 5, 7, 9, 11, 13]
    assert torch.equal(found.frames, draw(found.keypoints))


def test_it_is_registered() -> None:
    assert registry.load("annotators", "pose") is Pose


def test_mediapipe_sees_nobody_in_an_empty_picture() -> None:
    pytest.importorskip("mediapipe.python.solutions.pose")
    empty = Pose(Pose.Options(detector="mediapipe")).annotate(Clip(torch.full((2, 3, 64, 96), 0.5), Fraction(8)))
    assert not empty.keypoints.known.any()
    assert empty.frames.shape == (2, 3, 64, 96)
    assert float(empty.frames.max()) == 0


@pytest.mark.assets
def test_mediapipe_finds_a_runner_twice_the_same() -> None:
    pytest.importorskip("mediapipe.python.solutions.pose")
    if not RUNNING.is_file():
        pytest.skip("woman-running.mp4 is not here; point VEDIT_ASSETS at a folder that has media/video")
    clip = read_clip(RUNNING, frames=12, size=256, sound=False)
    once, again = (Pose(Pose.Options(detector="mediapipe")).annotate(clip).keypoints for _ in range(2))
    np.testing.assert_array_equal(once.points, again.points)
    assert (once.known.sum(axis=2) >= 8).any(axis=1).mean() >= 0.9
    nose = once.points[:, 0, 0]
    assert (np.abs(nose - (128, 55)) < 40).all()  # her face is in the middle of the upper half
