"""A strokes file brought to a clip: pixels, frames, timelines, the camera, loops."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from vedit.errors import ConfigError, VeditWarning
from vedit.motion.strokes import Drawn, StrokesFile, read_strokes
from vedit.motion.strokes.reading import checked
from vedit.timeline import Moments

RATE = Fraction(8)


def file(**values: Any) -> StrokesFile:
    return checked({"version": 1, "size": [64, 48], **values}, Path("s.yaml"))


def drawn(frames: int = 16, size: tuple[int, int] = (48, 64), sound: Moments | None = None, **values: Any) -> Drawn:
    return file(**values).at(size, frames, RATE, sound)


def stroke(**values: Any) -> list[dict[str, Any]]:
    return [{"points": [[10, 10], [40, 20]], **values}]


def test_a_stroke_goes_from_its_first_point_to_its_last() -> None:
    found = drawn(strokes=stroke())
    assert found.tracks.shape == (1, 16, 2)
    assert found.tracks[0, 0].tolist() == [10, 10]
    assert found.tracks[0, -1].tolist() == [40, 20]
    assert found.names == ("stroke 1",)
    assert found.strength.eq(1).all()


def test_between_points_it_does_not_overshoot() -> None:
    found = drawn(strokes=stroke(points=[[10, 10], [40, 10], [40, 40]])).tracks[0]
    assert float(found[:, 0].max()) <= 40
    assert float(found[:, 1].min()) >= 10


def test_a_picture_of_another_size_scales_points_about_the_middles_of_pixels() -> None:
    found = drawn(size=(96, 128), strokes=stroke(radius=5), anchors=[[0, 0]])
    assert found.tracks[0, 0].tolist() == [20.5, 20.5]
    assert found.anchors.tolist() == [[0.5, 0.5]]
    assert found.reach.tolist() == [10]


def test_shares_reach_from_edge_to_edge() -> None:
    found = file(size="normalised", strokes=stroke(points=[[0, 0], [1, 1]], radius=0.25)).at((48, 64), 4, RATE)
    assert found.tracks[0, 0].tolist() == [-0.5, -0.5]
    assert found.tracks[0, -1].tolist() == [63.5, 47.5]
    assert found.reach.tolist() == [12]


def test_times_are_in_frames_seconds_or_beats() -> None:
    beats = Moments(16, RATE, beats=[frame / 4 for frame in range(16)])
    for times in ([4, 12], ["0.5s", "1.5s"], ["1b", "3b"]):
        found = drawn(strokes=stroke(times=times), sound=beats).tracks[0]
        assert torch.allclose(found[:5], torch.tensor([10.0, 10.0]))
        assert found[8].tolist() == [25, 15]
        assert torch.allclose(found[12:], torch.tensor([40.0, 20.0]))


def test_a_file_of_another_rate_keeps_its_seconds() -> None:
    found = file(rate=16, frames=17, strokes=stroke(strength="0:0, 16:1")).at((48, 64), 16, RATE)
    assert found.tracks[0, 8].tolist() == [40, 20], "after 16 frames at 16 per second"
    assert found.strength[0, 4] == 0.5
    assert found.strength[0, 8] == 1


def test_a_file_of_another_length_without_a_rate_is_spread_over_the_clip() -> None:
    found = file(frames=16, strokes=stroke(times=[0, 15]))
    spread = found.at((48, 64), 31, RATE)
    assert spread.tracks[0, -1].tolist() == [40, 20]
    assert spread.tracks[0, 15].tolist() == [25, 15]


def test_strength_and_shape_are_timelines() -> None:
    sound = Moments(4, RATE, features={"loudness": [0, 0.5, 1, 0.25]})
    found = drawn(4, sound=sound, strokes=stroke(strength="loudness", shape={"turn": "0:0, 3:90", "scale": 2}))
    assert found.strength[0].tolist() == [0, 0.5, 1, 0.25]
    assert found.turn[0, -1] == pytest.approx(math.pi / 2)
    assert found.scale.eq(2).all()
    assert found.pulled[0, 2].tolist() == found.tracks[0, 2].tolist()
    assert found.pulled[0, 0].tolist() == [10, 10]


def test_what_is_not_seen_does_not_pull() -> None:
    found = drawn(5, strokes=stroke(points=[[0, 0], [10, 0], [20, 0]], times=[0, 2, 4], visible=[True, False, True]))
    assert found.strength[0].tolist() == [1, 1, 0, 0, 1]


def test_masks_are_boxes_outlines_and_pictures(tmp_path: Path) -> None:
    white = Image.new("L", (64, 48))
    white.paste(255, (8, 8, 24, 16))
    white.save(tmp_path / "white.png")
    masks = ["box:8,8,16,8", [[8, 8], [23, 8], [23, 15], [8, 15]], "white.png"]
    values = {"version": 1, "size": [64, 48], "strokes": [{**stroke()[0], "mask": mask} for mask in masks]}
    for mask in checked(values, tmp_path / "s.yaml").at((48, 64), 4, RATE).masks:
        assert mask is not None
        assert mask.nonzero().amin(0).tolist() == [8, 8]
        assert mask.nonzero().amax(0).tolist() == [15, 23]
        assert mask.sum() == 128


@pytest.mark.parametrize(
    ("camera", "point", "there"),
    [
        ({"pan": [6, -3]}, (20, 20), (26, 17)),
        ({"zoom": 2, "centre": [10, 10]}, (20, 20), (30, 30)),
        ({"turn": 90, "centre": [10, 10]}, (20, 10), (10, 20)),
        ({"pan": ["0:5, 15:11", 0]}, (20, 20), (26, 20)),
        ({"pan": [8, 0], "per": "second"}, (20, 20), (35, 20)),
    ],
)
def test_the_camera_takes_points_of_the_first_frame_to_the_last(
    camera: dict[str, Any], point: tuple[float, float], there: tuple[float, float]
) -> None:
    found = drawn(camera=camera)
    assert torch.allclose(found.camera[0], torch.eye(2, 3), atol=1e-5), "the first frame is the picture"
    moved = found.on_screen(torch.tensor([[point]]))
    assert moved[0, -1].tolist() == pytest.approx(there, abs=1e-3)
    assert not found.still_camera


def test_a_zoom_is_even_in_its_ratio() -> None:
    zoom = drawn(3, camera={"zoom": 4}).camera[:, 0, 0]
    assert zoom.tolist() == pytest.approx([1, 2, 4])


def test_in_a_loop_an_open_stroke_goes_back_as_it_came() -> None:
    found = drawn(loop=True, strokes=stroke(), camera={"pan": [8, 0]})
    assert found.loop
    assert found.tracks[0, 8].tolist() == [40, 20]
    assert torch.allclose(found.tracks[0, 4], found.tracks[0, 12], atol=1e-4)
    assert found.camera[8, 0, 2] == 8
    assert float(found.camera[-1, 0, 2]) < 1


def test_a_camera_that_jumps_where_its_loop_begins_is_warned_of() -> None:
    with pytest.warns(VeditWarning, match="the loop shows a jump"):
        drawn(loop=True, camera={"pan": [20, 0], "per": "second"})


def test_another_aspect_is_refused_but_for_rounding() -> None:
    assert drawn(size=(48, 72), strokes=stroke()).size == (48, 72)
    with pytest.raises(ConfigError, match="64x48 pixels, and the picture is 640x640"):
        drawn(size=(640, 640), strokes=stroke())


def test_one_frame_is_the_picture() -> None:
    found = drawn(1, strokes=stroke(), camera={"pan": [8, 0]})
    assert found.tracks.tolist() == [[[10, 10]]]
    assert found.still_camera


def test_a_file_of_no_strokes_has_none() -> None:
    found = drawn()
    assert found.tracks.shape == (0, 16, 2)
    assert found.anchors.shape == (0, 2)
    assert found.on_screen(found.tracks).shape == (0, 16, 2)


def test_a_file_is_read_from_yaml_and_json_alike(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("version: 1\nsize: [64, 48]\nstrokes:\n  - points: [[1, 2], [3, 1e-1]]\n")
    (tmp_path / "s.json").write_text('{"version": 1, "size": [64, 48], "strokes": [{"points": [[1, 2], [3, 1e-1]]}]}')
    assert dict(read_strokes(tmp_path / "s.yaml")) == dict(read_strokes(tmp_path / "s.json"))
