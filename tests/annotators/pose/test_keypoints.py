"""The keypoint file: there and back, and everything that it may not be."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.annotators.pose.making import keypoints, walk
from vedit.annotators.pose import Keypoints, Pose, PoseAnnotation, draw, read_keypoints
from vedit.clip import Clip
from vedit.errors import MediaError


def clip(frames: int = 3, size: tuple[int, int] = (128, 128)) -> Clip:
    return Clip(torch.zeros(frames, 3, *size), Fraction(25))


def content(frames: int = 3) -> dict[str, Any]:
    """What a file of one person holds."""
    person = {"person_id": [0], "pose_keypoints_2d": [float(each % 3 == 2) for each in range(54)]}
    frame = {"people": [person]}
    return {"version": 1, "width": 128, "height": 128, "rate": "25", "frames": [frame] * frames}


def written(path: Path, value: object) -> Path:
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return path


def test_there_and_back(tmp_path: Path) -> None:
    points = np.stack([walk(3), walk(3, (80, 60), (1.2345, 0))], axis=1)
    points[1, 0, 4] = np.nan
    points[2, 0] = np.nan  # person 0 has left: person 1 stays person 1
    found = Keypoints(points, np.full((3, 2, 18), 0.0004), (120, 160), Fraction(30000, 1001))
    path = tmp_path / "poses.json"
    found.save(path)
    again = read_keypoints(path)
    np.testing.assert_allclose(again.points, points, atol=6e-4)
    np.testing.assert_array_equal(again.known, found.known)
    assert (again.size, again.rate) == (found.size, found.rate)
    with pytest.raises(MediaError, match="exists already"):
        found.save(path)
    found.save(path, overwrite=True)
    with pytest.raises(MediaError, match=r"\.json"):
        found.save(tmp_path / "poses.txt")


def test_a_file_drives_the_annotator(tmp_path: Path) -> None:
    found = keypoints(walk(3)[:, None])
    path = tmp_path / "poses.JSON"
    PoseAnnotation(draw(found), found).save_data(path)
    read = Pose().read(path, clip())
    torch.testing.assert_close(read.frames, draw(found), atol=5e-3, rtol=0)
    assert torch.equal(read.frames, draw(read_keypoints(path))), "drawn one by one, as all together"


def test_pictures_are_read_as_of_any_annotator(tmp_path: Path) -> None:
    Clip(torch.ones(3, 3, 16, 16), Fraction(25)).save(tmp_path / "drawn")
    assert float(Pose().read(tmp_path / "drawn", clip(3, (16, 16))).frames.min()) == 1


def test_points_are_scaled_with_the_picture() -> None:
    found = keypoints(walk(3)[:, None])
    twice = found.fitted(clip(size=(256, 256)), Path("p.json"))
    # The middle of pixel 0 of 128 lies between pixels 0 and 1 of 256.
    np.testing.assert_allclose(twice.points, found.points * 2 + 0.5)
    wide = keypoints(walk(3)[:, None], (480, 854)).fitted(clip(size=(72, 128)), Path("p.json"))
    assert wide.size == (72, 128)  # 71.9 was rounded


def test_another_length_and_another_aspect_are_refused() -> None:
    found = keypoints(walk(3)[:, None])
    with pytest.raises(MediaError, match=r"p\.json has keypoints for 3 frames, the clip 4"):
        found.fitted(clip(4), Path("p.json"))
    with pytest.raises(MediaError, match="of 128 x 128 pixels, the clip is 128 x 72; expected the same aspect"):
        found.fitted(clip(size=(72, 128)), Path("p.json"))


def test_openpose_s_own_people_are_told_apart_by_their_place(tmp_path: Path) -> None:
    file = content()
    someone = {**file["frames"][0]["people"][0], "person_id": [-1], "face_keypoints_2d": []}
    file["frames"] = [{"people": [someone, someone], "version": 1.3}] * 2
    assert read_keypoints(written(tmp_path / "p.json", file)).points.shape == (2, 2, 18, 2)
    del someone["person_id"]
    assert read_keypoints(written(tmp_path / "q.json", file)).points.shape == (2, 2, 18, 2)
    nobody = {**file, "frames": [{"people": []}]}
    assert read_keypoints(written(tmp_path / "r.json", nobody)).points.shape == (1, 0, 18, 2)


def spoilt(**changes: Any) -> dict[str, Any]:
    return {**content(), **changes}


def person(values: object, **more: object) -> dict[str, Any]:
    return spoilt(frames=[{"people": [{"pose_keypoints_2d": values, **more}]}])


GOOD = [1.0] * 54
BAD: dict[str, tuple[object, str]] = {
    "no JSON": ("{", "cannot be read as JSON"),
    "NaN": ('{"version": NaN}', "NaN is no number"),
    "deep": ("[" * 200_000, "nested too deeply"),
    "a list": ([], "expected an object"),
    "no rate": ({key: value for key, value in content().items() if key != "rate"}, "rate is missing"),
    "another version": (spoilt(version=2), "version is 2"),
    "no width": (spoilt(width=0), "width is 0"),
    "a wide height": (spoilt(height=10**9), "height is 1000000000"),
    "width in words": (spoilt(width="128"), "width is '128'"),
    "rate 0": (spoilt(rate=0), "rate is 0"),
    "rate 1/0": (spoilt(rate="1/0"), "rate is '1/0'"),
    "rate true": (spoilt(rate=True), "rate is True"),
    "a long rate": (spoilt(rate="x" * 999), r"rate is 'x+\.\.\."),
    "no frames": (spoilt(frames=[]), "frames is not a list"),
    "frames of numbers": (spoilt(frames=[1]), "frame 0 has no list of people"),
    "people of numbers": (spoilt(frames=[{"people": [1]}]), "frame 0, person 0: pose_keypoints_2d is not 18 triples"),
    "25 joints": (person([1.0] * 75), "is not 18 triples"),
    "text": (person(["1"] * 54), "no number in range"),
    "true": (person([True] * 54), "no number in range"),
    "infinite": (person([1e999, *GOOD[1:]]), "no number"),
    "huge": (person([10**400, *GOOD[1:]]), "no number in range"),
    "far outside": (person([9000.0, *GOOD[1:]]), "far outside 128 x 128"),
    "score 2": (person([*GOOD[:-1], 2]), "a score is outside 0..1"),
    "score -1": (person([*GOOD[:-1], -1]), "a score is outside 0..1"),
    "person 1e9": (person(GOOD, person_id=[10**9]), "person_id is .1000000000., expected"),
    "person a": (person(GOOD, person_id="a"), "person_id is 'a'"),
    "the same person": (
        spoilt(frames=[{"people": [{"person_id": [3], "pose_keypoints_2d": GOOD}] * 2}]),
        "person_id 3 is there twice",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_a_file_may_not_be(name: str, tmp_path: Path) -> None:
    value, complaint = BAD[name]
    path = written(tmp_path / "p.json", value)
    with pytest.raises(MediaError, match=complaint) as caught:
        read_keypoints(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 400


def test_files_that_are_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="cannot be read: No such file"):
        read_keypoints(tmp_path / "none.json")
    with pytest.raises(MediaError, match="cannot be read: Is a directory"):
        read_keypoints(tmp_path)
    (tmp_path / "b.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MediaError, match="cannot be read as JSON"):
        read_keypoints(tmp_path / "b.json")


def test_keypoints_are_of_one_shape() -> None:
    with pytest.raises(ValueError, match="18, 2"):
        Keypoints(np.zeros((2, 1, 17, 2)), np.zeros((2, 1, 17)), (8, 8), Fraction(25))
    with pytest.raises(ValueError, match="within"):
        Keypoints(np.zeros((2, 1, 18, 2)), np.full((2, 1, 18), 2.0), (8, 8), Fraction(25))
