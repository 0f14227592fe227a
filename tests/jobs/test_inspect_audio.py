"""``vedit inspect audio`` and ``vedit inspect timeline``."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.audio.making import click_times, clicks
from tests.clip.test_audio_file import write
from tests.conftest import Ran

Command = Callable[..., Ran]


def test_a_sound_is_drawn_and_told(
    vedit: Command, toy_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = vedit("inspect", "audio", toy_clip, "--save-data", "heard.json", "--feature", "treble", "--fps", 10)
    assert ran.status == 0, ran.err
    assert re.match(r"\d+ beats?, \d+\.\d\d BPM( \(|$)", ran.out.splitlines()[0])
    assert ran.out.splitlines()[1:] == ["toy-heard.png", "heard.json"]
    with Image.open("toy-heard.png") as picture:
        assert picture.size == (1600, 520)
    told = json.loads(Path("heard.json").read_text())
    assert told["frames"] == len(told["features"]["loudness"])
    flags = ("--audio-duration", 0.12, "--audio-gain", 0, "--fps", 100, "-o", "part.png", "--save-data", "part.json")
    assert vedit("inspect", "audio", toy_clip, *flags).status == 0
    assert json.loads(Path("part.json").read_text())["features"]["loudness"] == [0.0] * 12
    assert "exists already" in vedit("inspect", "audio", toy_clip).complaint


def test_beats_are_counted_for_people_and_timed_for_programs(vedit: Command, tmp_path: Path) -> None:
    write(tmp_path / "clicks.wav", clicks(click_times(120, 6.0, first=0.5), 6.0).samples, 22050)
    flags = ("--audio-start", 0.8, "--audio-duration", 3, "--overwrite", "-o", tmp_path / "heard.png")
    told = json.loads(vedit("inspect", "audio", tmp_path / "clicks.wav", *flags, "--json").out)
    assert told["beats"] == pytest.approx([0.2, 0.7, 1.2, 1.7, 2.2, 2.7], abs=0.05)
    assert vedit("inspect", "audio", tmp_path / "clicks.wav", *flags).out.startswith("6 beats, 1")


def test_a_timeline_is_told(vedit: Command, toy_clip: Path) -> None:
    ran = vedit("inspect", "timeline", "0:1, 4:3", "--frames", 3, "--fps", 8)
    rows = [line.split() for line in ran.out.splitlines()]
    assert rows == [["frame", "seconds", "value"], *([str(n), f"{n / 8:.3f}", f"{1 + n / 2:.4f}"] for n in range(3))]
    assert vedit("inspect", "timeline", "1+loudness", "--audio", toy_clip, "--frames", 2).out.count("\n") == 3
    assert vedit("inspect", "timeline", "b", "--bpm", 120, "--fps", 4, "--frames", 3).out.split()[-1] == "1.0000"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["audio", "no-such.wav"], "no-such.wav does not exist"),
        (["audio", "CLIP", "--feature", "lowdness"], "did you mean 'loudness'?"),
        (["audio", "CLIP", "-o", "a.jpg"], "ends with .png"),
        (["audio", "CLIP", "--save-data", "a.txt"], "ends with .json"),
        (["audio", "CLIP", "--audio-start", "99"], "lasts"),
        (["timeline", "lowdness"], "did you mean 'loudness'?"),
        (["timeline", "loudness"], "needs loudness"),
        (["timeline", "0:1", "--frames", "1000000"], "out of range; expected 1..100000"),
        (
            ["timeline", ",".join(f"{frame}:1" for frame in range(10_000))],
            "has 10,000 keyframes; expected at most 1,000",
        ),
        (["timeline", "1/f"], "no value in frame 0"),
        (["adio", "CLIP"], "did you mean 'audio'?"),
    ],
)
def test_what_cannot_be_is_one_line(
    vedit: Command, toy_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in vedit("inspect", *[str(toy_clip) if each == "CLIP" else each for each in arguments]).complaint
    assert list(tmp_path.iterdir()) == []
