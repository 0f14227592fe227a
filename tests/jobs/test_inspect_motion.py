"""``vedit inspect motion``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import Ran
from vedit.clip import probe

TEXT = """version: 1
size: [64, 48]
rate: 8
frames: 6
strokes:
  - {name: ball, points: [[10, 10], [50, 30]], radius: 6}
anchors: [[60, 40]]
camera: {pan: [4, 0]}
"""


@pytest.fixture
def strokes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (128, 96), (40, 90, 140)).save("p.png")
    path = tmp_path / "ball.yaml"
    path.write_text(TEXT)
    return path


def test_a_picture_of_it_all(strokes: Path, vedit: Callable[..., Ran]) -> None:
    ran = vedit("inspect", "motion", strokes, "--over", "p.png")
    assert "1 stroke, 1 anchor, 6 frames at 8 fps, the camera moves" in ran.out
    with Image.open("ball-motion.png") as shown:
        assert shown.size == (534, 400), "enlarged, so that lines do not hide it"


def test_a_clip_of_it_moving(strokes: Path, vedit: Callable[..., Ran]) -> None:
    vedit("inspect", "motion", strokes, "--over", "p.png", "-o", "m.mp4", "--frames", 4, "--fps", 4)
    info = probe(Path("m.mp4"))
    assert (info.frames, info.rate) == (4, 4)


def test_without_a_picture_and_over_a_clip(strokes: Path, vedit: Callable[..., Ran]) -> None:
    vedit("inspect", "motion", strokes, "-o", "plain.png")
    vedit("inspect", "motion", strokes, "-o", "m.mp4")
    vedit("inspect", "motion", strokes, "--over", "m.mp4", "-o", "over.png")
    assert Path("plain.png").exists()
    assert Path("over.png").exists()


def test_another_tools_file_is_told_of_and_written_as_vedits_own(
    strokes: Path, vedit: Callable[..., Ran], tmp_path: Path
) -> None:
    (tmp_path / "t.txt").write_text("10, 10\n200, 100\n")
    ran = vedit("inspect", "motion", "t.txt", "-o", "t.png", "--save-data", "t.yaml", "--tool", "tora")
    assert "t.txt is read as Tora's: a canvas of 256x256, 49 frames at 8 per second, 2 points" in ran.out
    assert "1 stroke, 0 anchors, 49 frames at 8 fps" in vedit("inspect", "motion", "t.yaml", "-o", "u.png").out


def test_what_sways_is_counted_and_follows_beats(strokes: Path, vedit: Callable[..., Ran]) -> None:
    Path("sea.yaml").write_text(
        "version: 1\nsize: [64, 48]\nsway:\n  - {point: [20, 20], frequency: 0.5, amplitude: 3, per: beat}\n"
    )
    ran = vedit("inspect", "motion", "sea.yaml", "-o", "sea.mp4", "--bpm", 120)
    assert "0 strokes, 0 anchors, 1 swaying, 16 frames" in ran.out
