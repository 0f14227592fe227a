"""Other tools' files come out as the strokes that were put into them, x as x and y as y."""

from __future__ import annotations

import io
import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

from vedit.clip import Clip
from vedit.motion.strokes.importing import import_strokes, tool_of
from vedit.motion.strokes.importing.imported import Imported
from vedit.motion.strokes.reading import read_strokes
from vedit.motion.strokes.writing import save_strokes

RIGHT = np.stack([np.linspace(40, 200, 16), np.full(16, 100.0)], -1)
"""A way of 16 points to the right."""


def ends(imported: Imported) -> list[list[float]]:
    points = imported.strokes.strokes[0].points
    return [list(points[0]), list(points[-1])]


@pytest.mark.parametrize(("tool", "frames"), [("motionctrl", 16), ("tora", 49)])
def test_points_of_text(tool: str, frames: int, tmp_path: Path) -> None:
    path = tmp_path / "right.txt"
    path.write_text("".join(f"{x:.0f}, {y:.0f}\n" for x, y in RIGHT))
    found = import_strokes(path, tool)
    assert ends(found) == [[40, 100], [200, 100]]
    assert found.strokes.canvas == (256, 256)
    assert found.strokes.frames == frames
    assert "a canvas of 256x256" in found.assumed
    assert f"{frames} frames" in found.assumed
    assert tool_of(path) == "motionctrl"


@pytest.mark.parametrize("blurred", [False, True])
def test_a_flow_of_motionctrl(blurred: bool, tmp_path: Path) -> None:
    flow = np.zeros((16, 128, 128, 2), np.float32)
    way = np.stack([np.arange(20, 100, 5), np.full(16, 60)], -1)
    for frame in range(15):
        x, y = way[frame]
        flow[frame + 1, y, x] = way[frame + 1] - way[frame]
    if blurred:
        flow = gaussian_filter(flow, (0, 10, 10, 0))
    np.save(tmp_path / "flow.npy", flow)
    found = import_strokes(tmp_path / "flow.npy")
    assert found.strokes.canvas == (128, 128)
    assert np.allclose(found.strokes.strokes[0].points, way, atol=1)


def test_a_flow_of_motionctrl_that_rests(tmp_path: Path) -> None:
    flow = np.zeros((8, 64, 64, 2), np.float32)
    flow[3, 30, 20], flow[4, 30, 30], flow[6, 30, 35] = (10, 0), (5, 0), (5, 0)
    np.save(tmp_path / "flow.npy", flow)
    points = import_strokes(tmp_path / "flow.npy").strokes.strokes[0].points
    assert [x for x, _ in points] == [20, 20, 20, 30, 35, 35, 40, 40]


def test_tracks_of_wan_move(tmp_path: Path) -> None:
    tracks = np.stack([RIGHT, RIGHT + np.array([0, 50])], 1)[None].astype(np.float32)
    seen = np.ones((1, 16, 2), bool)
    seen[0, 8:, 1] = False
    np.save(tmp_path / "tracks.npy", tracks)
    np.save(tmp_path / "visibility.npy", seen)
    for path in (tmp_path, tmp_path / "tracks.npy"):
        found = import_strokes(path)
        assert ends(found) == [[40, 100], [200, 100]]
        assert found.strokes.strokes[1].visible == (True,) * 8 + (False,) * 8
        assert found.strokes.canvas == (480, 832)
        assert "visibility.npy says what is seen" in found.assumed


def test_more_tracks_than_a_file_may_have_are_thinned(tmp_path: Path) -> None:
    tracks = np.broadcast_to(RIGHT[None, :, None], (1, 16, 700, 2)).repeat(6, 1)
    np.save(tmp_path / "tracks.npy", tracks)
    found = import_strokes(tmp_path / "tracks.npy")
    assert len(found.strokes.strokes) == 256
    assert sum(len(each.points) for each in found.strokes.strokes) <= 10_000
    assert "256 of its 700 tracks" in found.assumed


def test_tracks_of_ati(tmp_path: Path) -> None:
    held = io.BytesIO()
    array = np.ones((1, 121, 1, 3))
    array[0, :, 0, 0], array[0, :, 0, 1] = np.linspace(8 * 40, 8 * 200, 121), 8 * 100
    np.savez(held, array=array)
    torch.save(held.getvalue(), tmp_path / "a.pth")
    found = import_strokes(tmp_path / "a.pth")
    assert ends(found) == [[40, 100], [200, 100]]
    assert found.strokes.rate == 24
    assert "121 frames at 24 per second" in found.assumed


def test_things_of_draganything(tmp_path: Path) -> None:
    mask = Image.new("L", (320, 256))
    mask.paste(255, (30, 90, 60, 110))
    mask.save(tmp_path / "thing.png")
    thing = {"comment": "a thing", "mask_name": "thing.png", "trajectory": RIGHT.tolist()}
    (tmp_path / "demo.json").write_text(json.dumps({"1": thing}))
    found = import_strokes(tmp_path)
    assert ends(found) == [[40, 100], [200, 100]]
    assert found.strokes.canvas == (256, 320)
    assert found.strokes.strokes[0].mask == str(tmp_path / "thing.png")
    mask_drawn = found.strokes.at((256, 320), 16, Fraction(8)).masks[0]
    assert mask_drawn is not None
    assert mask_drawn.sum() == 600


def test_key_points_of_motionpro(tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text(json.dumps({"traj_key_points": [RIGHT.tolist()]}))
    found = import_strokes(tmp_path / "m.json")
    assert tool_of(tmp_path / "m.json") == "motionpro"
    assert ends(found) == [[40, 100], [200, 100]]
    assert "512x320, 16 frames" in found.assumed
    Image.new("L", (256, 256), 255).save(tmp_path / "m.png")
    assert "256x256" in import_strokes(tmp_path / "m.json").assumed


def test_a_moving_mask_of_time_to_move(tmp_path: Path) -> None:
    frames = torch.zeros(8, 3, 64, 96)
    for frame in range(8):
        frames[frame, :, 20:40, 10 + 6 * frame : 30 + 6 * frame] = 1
    Clip(frames, Fraction(16)).save(tmp_path / "mask.mp4", crf=0)
    Clip(frames, Fraction(16)).save(tmp_path / "motion_signal.mp4")
    found = import_strokes(tmp_path)
    assert np.allclose(ends(found), [[19.5, 29.5], [61.5, 29.5]], atol=0.5)
    mask = found.strokes.at((64, 96), 8, Fraction(16)).masks[0]
    assert mask is not None
    assert abs(int(mask.sum()) - 400) <= 40


def test_another_canvas_may_be_told(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("1 2\n3 4\n")
    assert import_strokes(tmp_path / "a.txt", "auto", (480, 832)).strokes.size == (832, 480)


def test_names_of_digits_stay_names(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(
        'version: 1\nsize: [64, 48]\nstrokes: [{name: "12", points: [[1, 2], [3, 4]], times: [0, "8"]}]\n'
    )
    save_strokes(read_strokes(tmp_path / "s.yaml"), tmp_path / "again.yaml")
    assert "times: [0, 8]" in (tmp_path / "again.yaml").read_text()
    assert read_strokes(tmp_path / "again.yaml").names == ("12",)


def test_what_is_imported_is_written_as_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("1, 2\n30, 4\n")
    found = import_strokes(tmp_path / "a.txt", "tora")
    save_strokes(found.strokes, tmp_path / "s.yaml", note=found.assumed)
    text = (tmp_path / "s.yaml").read_text()
    assert text.startswith("# a.txt is read as Tora's: ")
    assert "points: [[1, 2], [30, 4]]\n" in text
    assert dict(read_strokes(tmp_path / "s.yaml")) == dict(found.strokes)
