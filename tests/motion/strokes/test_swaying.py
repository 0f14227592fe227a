"""What sways, as a file says it and as it comes to a clip."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch

from vedit import timeline
from vedit.errors import ConfigError, VeditWarning
from vedit.motion.strokes import read_strokes
from vedit.motion.strokes.reading import checked
from vedit.motion.strokes.swaying import Swaying
from vedit.motion.strokes.writing import save_strokes
from vedit.timeline import Moments

RATE = Fraction(8)


def swaying(frames: int = 16, size: tuple[int, int] = (48, 64), loop: bool = False, **values: Any) -> Swaying:
    one = {"point": [20, 10], "frequency": 1, "amplitude": 4, **values}
    file = checked({"version": 1, "size": [64, 48], "loop": loop, "sway": [one]}, Path("s.yaml"))
    return file.at(size, frames, RATE).sways[0]


def test_lengths_scale_with_the_picture() -> None:
    found = swaying(size=(96, 128), radius=5, wave=32)
    assert found.point.tolist() == [40.5, 20.5]
    assert found.amplitude.eq(8).all()
    assert found.reach == 10
    assert found.lag.tolist() == pytest.approx([2 * math.pi / 64, 0])


def test_without_more_a_long_wave_runs_to_the_right() -> None:
    found = swaying()
    assert found.name == "sway 1"
    assert found.lag.tolist() == pytest.approx([2 * math.pi / 128, 0])
    assert found.along.tolist() == [1, 0]
    assert found.angles[0].tolist() == pytest.approx([2 * math.pi * frame / 8 for frame in range(16)], rel=1e-5)


def test_a_mask_has_its_own_middle() -> None:
    assert swaying(point=None, mask="box:8,8,16,8").point.tolist() == [15.5, 11.5]


def test_a_loop_takes_whole_times_and_says_so() -> None:
    with pytest.warns(VeditWarning, match=r"sway 1: of its to and fro 1\.4 would fit into the loop; it goes once"):
        found = swaying(loop=True, frequency=0.7)
    assert float(found.angles[0, -1]) == pytest.approx(2 * math.pi * 15 / 16)
    with pytest.warns(VeditWarning, match="it goes 3 times"):
        swaying(loop=True, frequency=1.3)
    assert float(swaying(loop=True, frequency=0.98).angles[0, -1]) == pytest.approx(4 * math.pi * 15 / 16)


@pytest.mark.parametrize("frequency", ["0:0.5, 15:1.5", "1+0.25*sin(3*t)"])
def test_a_loop_is_exact_for_frequencies_that_vary(frequency: str) -> None:
    gone = torch.tensor(timeline.read(frequency).values(Moments(16, RATE)))
    before_last = float(swaying(loop=True, frequency=frequency).angles[0, -1])
    whole = before_last / (2 * math.pi) * float(gone.sum() / gone[:-1].sum())
    assert whole == pytest.approx(round(whole), abs=1e-5)


def test_what_stands_still_stays_so_in_a_loop() -> None:
    assert swaying(loop=True, frequency=0).angles.eq(0).all()


def test_some_of_its_frames() -> None:
    found = swaying(frequency=[0.5, 1], amplitude=["0:1, 15:4", 2])
    two = found.in_frames([0, 15])
    assert two.angles.shape == (2, 2)
    assert two.amplitude[0].tolist() == [1, 4]
    place = torch.tensor([[20.0, 10.0]])
    assert torch.equal(two.displaced(place)[1], found.displaced(place)[15])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"frequency": 4}, "sway 1: it goes to and fro 0.50 times from one frame to the next"),
        ({"frequency": "0:1, 15:9"}, "take more frames per second"),
        ({"amplitude": 30}, "sway 1: it sways 30 pixels to either side; expected at most 24"),
        ({"per": "beat"}, "sway 1: it is counted by beats, and there are none; give a sound"),
        ({"amplitude": "loudness"}, "sway 1: the timeline 'loudness' needs loudness, and there is no sound"),
        ({"point": None, "mask": "box:100,100,5,5"}, "sway 1: box:100,100,5,5 covers nothing"),
    ],
)
def test_what_a_clip_cannot_show_is_told(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as told:
        swaying(**values)
    assert said in str(told.value)


def test_it_is_written_as_it_was_read(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "version: 1\nsize: [64, 48]\nsway:\n"
        "  - {name: sea, mask: [[0, 0], [20, 0], [20, 20]], frequency: [0.5, '0:1, 4s:2'], amplitude: [3, 1]}\n"
        "  - {point: [20, 30], frequency: 1, amplitude: 2*loudness, wave: none, root: [20, 40]}\n"
    )
    file = read_strokes(tmp_path / "a.yaml")
    save_strokes(file, tmp_path / "b.yaml")
    assert dict(read_strokes(tmp_path / "b.yaml")) == dict(file)
    assert file.sway_names == ("sea", "sway 2")
