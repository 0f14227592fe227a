"""A clip from words, and from what is heard, with a small model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.conftest import Ran
from vedit.clip import probe, read_clip

Command = Callable[..., Ran]


def test_a_clip_of_the_sounds_length_and_with_it(
    vedit: Command, toy_model: Path, song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = vedit("generate", "a cat", "--audio", song, "--model", toy_model, "--steps", 2, "--sheet", "sheet.png")
    assert ran.status == 0, ran.err
    assert {path.name for path in tmp_path.iterdir()} == {"generated.mp4", "generated.yaml", "sheet.png"}
    made = probe("generated.mp4")
    assert (made.frames, made.rate, made.has_sound) == (24, 8, True)
    sound = read_clip("generated.mp4").audio
    assert sound is not None
    assert abs(sound.duration - 3) < 1 / 8
    again = vedit("rerun", "generated.yaml", "-o", "again.mp4")
    assert again.status == 0, again.err
    assert Path("again.mp4").read_bytes() == Path("generated.mp4").read_bytes()
    assert yaml.safe_load(Path("again.yaml").read_text())["command"] == "generate"


def test_without_a_sound_it_is_silent_and_as_asked(
    vedit: Command, toy_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    flags = ("--frames", 3, "--rate", 12.5, "--width", 24, "--height", 16, "--prior", "walk", "--guidance", "0:1, 2:5")
    ran = vedit("generate", "a cat", "--model", toy_model, "--steps", 2, *flags, "-o", "o.mp4")
    assert ran.status == 0, ran.err
    made = probe("o.mp4")
    assert (made.frames, float(made.rate), made.size, made.has_sound) == (3, 12.5, (16, 24), False)
    assert "o.mp4 exists already" in vedit("generate", "a cat", "-o", "o.mp4").complaint
    tried = vedit("generate", "a cat", "--model", toy_model, *flags, "-o", "p.mp4", "--dry-run")
    assert "worked" not in tried.out
    assert "50 x" in tried.out
    assert not Path("p.mp4").exists()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--prior", "inversion"], "starts from a clip"),
        (["--prior", "flow_warped"], "starts from a clip"),
        (["--attention", "flow"], "follows a clip's motion"),
        (["--audio", "no-such.wav"], "no-such.wav does not exist"),
        (["--emphasis", "rain"], "expected WORD=TIMELINE"),
        (["--then", "snow"], "expected TIME:PROMPT"),
        (["--then", "2x:snow"], "time"),
        (["--guidance", "loudness"], "needs loudness, and there is no sound"),
        (["--guidance", "lowdness"], "did you mean 'loudness'"),
        (["--walk", "2"], "expected 0..1"),
        (["--motion-scale", "0:1, 3:0"], "no layers over time"),
        (["--emphasis", "dog=2"], "does not say 'dog'"),
        (["--then", "4b:snow"], "counts beats"),
        (["--then", "3s:a dog", "--then", "2s:a fox"], "not in the order of their times"),
    ],
)
def test_what_cannot_be_is_one_line(
    vedit: Command, toy_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = vedit("generate", "a cat", "--model", toy_model, "--steps", 2, "--frames", 2, *flags)
    assert said in ran.complaint
    assert list(tmp_path.iterdir()) == []
