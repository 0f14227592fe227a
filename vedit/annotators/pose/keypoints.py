"""Keypoints: where people's joints are in each frame of a clip, and the JSON file that keeps them."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from vedit.atomic import whole_file
from vedit.clip import Clip
from vedit.clip.sizes import Size
from vedit.errors import MediaError

Array = NDArray[np.float64]

JOINTS = 18
"""Body points of OpenPose's COCO model: nose, neck, then shoulder, elbow, wrist (right, left), hip, knee, ankle (right,
left), and eyes and ears (right, left of each)."""

VERSION = 1
"""Of the file's layout, docs/keypoints.md."""

MOST_PEOPLE = 100
"""In one clip: a file with more is taken for damaged."""

LONGEST_SIDE = 65536
"""Pixels."""

ROUNDING = 8
"""Pixels by which a side may differ from the same aspect: models work at sides that are multiples of it."""


@dataclass(frozen=True, eq=False)
class Keypoints:
    """Joints of P people in F frames.

    points: (F, P, 18, 2) as (x, y) in pixels, NaN where unknown; (0, 0) is the middle of the upper left pixel
    scores: (F, P, 18) in [0, 1], how sure the detector was; 0 where unknown
    size: (H, W) of the frames in which they were found
    rate: frames per second
    """

    points: Array
    scores: Array
    size: Size
    rate: Fraction

    def __repr__(self) -> str:
        frames, people = self.points.shape[:2]
        return f"Keypoints({frames} frames, {people} people, {self.size[1]}x{self.size[0]})"

    def __post_init__(self) -> None:
        points, scores = np.array(self.points, np.float64), np.array(self.scores, np.float64)
        if points.ndim != 4 or points.shape[2:] != (JOINTS, 2) or scores.shape != points.shape[:3]:
            raise ValueError(f"keypoints are (F, P, 18, 2) and (F, P, 18), not {points.shape} and {scores.shape}")
        known = np.isfinite(points).all(-1) & (scores > 0)
        points[~known], scores[~known] = np.nan, 0.0
        if scores.size and scores.max() > 1:
            raise ValueError(f"scores are within [0, 1]; one is {scores.max():g}")
        object.__setattr__(self, "points", points)
        object.__setattr__(self, "scores", scores)

    def __len__(self) -> int:
        return len(self.points)

    @property
    def known(self) -> NDArray[np.bool_]:
        """(F, P, 18)."""
        return self.scores > 0

    def of_frame(self, number: int) -> Keypoints:
        """Of one frame."""
        return replace(self, points=self.points[number, None], scores=self.scores[number, None])

    def scaled(self, size: Size) -> Keypoints:
        """As they lie when the frames are brought to another size (H, W)."""
        if size == self.size:
            return self
        factor = np.array([size[1] / self.size[1], size[0] / self.size[0]])
        return replace(self, points=(self.points + 0.5) * factor - 0.5, size=size)

    def fitted(self, clip: Clip, path: Path) -> Keypoints:
        """For ``clip``: scaled to its size. Raises MediaError, which names ``path``, for another number of frames and
        another aspect."""
        if len(self) != len(clip):
            raise MediaError(
                f"{path} has keypoints for {len(self)} frames, the clip {len(clip)}; give as many as are taken."
            )
        scale = max(clip.size) / max(self.size)
        if any(abs(own * scale - other) > ROUNDING for own, other in zip(self.size, clip.size, strict=True)):
            raise MediaError(
                f"{path} has keypoints of {self.size[1]} x {self.size[0]} pixels, the clip is {clip.size[1]} x "
                f"{clip.size[0]}; expected the same aspect."
            )
        return self.scaled(clip.size)

    def save(self, path: Path, *, overwrite: bool = False) -> None:
        """Write the JSON file of docs/keypoints.md, to 1/1000 of a pixel. Raises MediaError as Clip.save does."""
        if path.suffix.lower() != ".json":
            raise MediaError(f"{path}: keypoints are written as .json.")
        triples = np.nan_to_num(np.concatenate([self.points, self.scores[..., None]], axis=-1)).round(3)
        # A point that is known stays so: a score or place that rounds to nothing would say "unknown".
        triples[..., 2] = np.where(self.known, triples[..., 2].clip(0.001, 1.0), 0.0)
        content = {
            "version": VERSION,
            "width": self.size[1],
            "height": self.size[0],
            "rate": str(self.rate),
            "frames": [
                {
                    "people": [
                        {"person_id": [number], "pose_keypoints_2d": person.ravel().tolist()}
                        for number, person in enumerate(people)
                        if person[:, 2].any()
                    ]
                }
                for people in triples
            ],
        }
        with whole_file(path, overwrite) as beside:
            beside.write_text(json.dumps(content), encoding="utf-8")


def read_keypoints(path: Path) -> Keypoints:
    """Keypoints of a JSON file (docs/keypoints.md). Raises MediaError for whatever is not as it is written there."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_constant)
    except OSError as error:
        raise MediaError(f"{path} cannot be read: {error.strerror}; name a keypoint file that is there.") from error
    except RecursionError as error:
        raise MediaError(f"{path} is nested too deeply to be a keypoint file; see docs/keypoints.md.") from error
    except ValueError as error:  # of JSON and of UTF-8
        raise MediaError(f"{path} cannot be read as JSON: {error}") from error
    try:
        return _parsed(content)
    except _FaultError as fault:
        raise MediaError(f"{path} is no keypoint file of version {VERSION}: {fault}; see docs/keypoints.md.") from fault


class _FaultError(Exception):
    """What is wrong with a file's content."""


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _parsed(content: Any) -> Keypoints:
    if not isinstance(content, dict):
        raise _FaultError("expected an object with version, width, height, rate and frames")
    if missing := [key for key in ("version", "width", "height", "rate", "frames") if key not in content]:
        raise _FaultError(f"{missing[0]} is missing")
    if content["version"] != VERSION:
        raise _FaultError(f"version is {_short(content['version'])}")
    for key in ("width", "height"):
        if type(content[key]) is not int or not 1 <= content[key] <= LONGEST_SIDE:
            raise _FaultError(f"{key} is {_short(content[key])}, expected pixels")
    width, height = content["width"], content["height"]
    if not isinstance(content["frames"], list) or not content["frames"]:
        raise _FaultError("frames is not a list of one or more")
    frames = [_people(frame, f"frame {number}", width, height) for number, frame in enumerate(content["frames"])]
    count = max((number + 1 for people in frames for number in people), default=0)
    triples = np.zeros((len(frames), count, JOINTS, 3))
    for people, row in zip(frames, triples, strict=True):
        for number, person in people.items():
            row[number] = person
    return Keypoints(triples[..., :2], triples[..., 2], (height, width), _rate(content["rate"]))


def _people(frame: Any, where: str, width: int, height: int) -> dict[int, Array]:
    """One frame's people: number -> (18, 3)."""
    if not isinstance(frame, dict) or not isinstance(frame.get("people"), list):
        raise _FaultError(f"{where} has no list of people")
    people: dict[int, Array] = {}
    for position, person in enumerate(frame["people"]):
        here = f"{where}, person {position}"
        values = person.get("pose_keypoints_2d") if isinstance(person, dict) else None
        if not isinstance(values, list) or len(values) != 3 * JOINTS:
            raise _FaultError(f"{here}: pose_keypoints_2d is not {JOINTS} triples of x, y and score")
        if not all(type(value) in (int, float) and abs(value) <= 10 * LONGEST_SIDE for value in values):
            raise _FaultError(f"{here}: pose_keypoints_2d holds what is no number in range")
        triples = np.array(values, np.float64).reshape(JOINTS, 3)
        if triples[:, 2].min() < 0 or triples[:, 2].max() > 1:
            raise _FaultError(f"{here}: a score is outside 0..1")
        # 10 times the picture around it: room for a foot that is out of sight, but not for another unit.
        if (np.abs(triples[:, :2]) > 10 * np.array([width, height])).any():
            raise _FaultError(f"{here}: a point lies far outside {width} x {height} pixels")
        number = _number(person.get("person_id"), position, here)
        if number in people:
            raise _FaultError(f"{here}: person_id {number} is there twice")
        people[number] = triples
    return people


def _number(given: Any, position: int, here: str) -> int:
    """Who it is: by ``person_id``, or by the place in the list where OpenPose wrote that it does not know."""
    number = given[0] if isinstance(given, list) and len(given) == 1 else given
    if number is None or number == -1:
        number = position
    if type(number) is not int or not 0 <= number < MOST_PEOPLE:
        raise _FaultError(f"{here}: person_id is {_short(given)}, expected a number below {MOST_PEOPLE}")
    return number


def _rate(value: Any) -> Fraction:
    try:
        rate = Fraction(str(value))
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if type(value) not in (str, int, float) or not 0 < rate <= 100_000:
        raise _FaultError(f"rate is {_short(value)}, expected frames per second such as 25 or '30000/1001'")
    return rate


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
