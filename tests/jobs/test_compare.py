"""``vedit compare`` and ``vedit edit --compare``."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from tests.clip.making import beep_at, make_video
from tests.conftest import Ran
from vedit.clip import probe, read_clip

Command = Callable[..., Ran]


def test_two_files_become_one(vedit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_video(tmp_path / "a.mp4", 30, size=(260, 256), sound_at=0.0)
    edited = read_clip("a.mp4", start=4, stride=2, frames=8)
    edited.with_sound(None).save("b.mp4")
    ran = vedit("compare", "a.mp4", "b.mp4", "--start", 4)
    assert (ran.status, ran.out) == (0, "b-compared.mp4  8 frames, 516x278, 15 fps, with sound\n"), ran.err
    seen = read_clip("b-compared.mp4")
    assert (len(seen), seen.rate, seen.size) == (8, Fraction(15), (278, 516))
    assert abs(beep_at(seen) - (0.5 - 4 / 30)) < 1 / 30, "the sound of a silent edit is the source's, from there"
    assert (seen.frames[..., -200:, :256] - seen.frames[..., -200:, 260:]).abs().mean() < 0.01


def test_a_source_that_ends_before_its_edit_is_told(vedit: Command, tmp_path: Path) -> None:
    make_video(tmp_path / "a.mp4", 6)
    make_video(tmp_path / "b.mp4", 9)
    ran = vedit("compare", tmp_path / "a.mp4", tmp_path / "b.mp4", "--layout", "wipe", "-o", tmp_path / "c.gif")
    assert ran.status == 0, ran.err
    assert "ends after 0.20 s, before" in ran.err
    assert ran.out.endswith("silent\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a.mp4"], "EDIT is missing"),
        (["a.mp4", "no.mp4"], "no.mp4 does not exist"),
        (["a.mp4", "tall.mp4"], "a.mp4 is 64x48 and tall.mp4 48x64; expected two clips of one shape"),
        (["a.mp4", "a.mp4", "--layout", "sidde"], "--layout: 'sidde' is unknown; did you mean 'side'?"),
        (["a.mp4", "a.mp4", "-o", "c.avi"], ".avi cannot be written"),
        (["a.mp4", "a.mp4", "-o", "a.mp4", "--overwrite"], "is the source itself"),
        (["a.mp4", "a.mp4", "--start", "9"], "start 9 is past its end"),
    ],
)
def test_what_is_wrong_is_one_line_and_leaves_nothing(
    vedit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    make_video(tmp_path / "a.mp4", 3)
    make_video(tmp_path / "tall.mp4", 3, size=(64, 48))
    assert said in vedit("compare", *arguments).complaint
    assert {path.name for path in tmp_path.iterdir()} == {"a.mp4", "tall.mp4"}


def test_beside_an_edit(
    vedit: Command, toy_clip: Path, toy_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    quick = ("--model", toy_model, "--steps", 1, "--frames", 3, "--no-check-inversion", "-o", "o.mp4")
    for bad, said in (
        ("c.txt", ".txt cannot be written"),
        ("o.mp4", "--output and --compare both name o.mp4"),
        (toy_clip, "is the clip itself"),
        ("no/c.mp4", "the folder no does not exist"),
    ):
        assert said in vedit("edit", toy_clip, "a cat", *quick, "--compare", bad).complaint
        assert list(tmp_path.iterdir()) == []
    ran = vedit("edit", toy_clip, "a cat", *quick, "--compare", "c.mp4", "--compare-layout", "stack")
    assert ran.status == 0, ran.err
    assert "c.mp4\n" in ran.out
    edited, seen = probe("o.mp4"), read_clip("c.mp4")
    assert (len(seen), seen.rate, seen.audio is not None) == (edited.frames, edited.rate, edited.has_sound)
    source = read_clip(toy_clip, frames=3)
    times = seen.size[1] // 46
    strip = seen.size[0] // 2 - 30 * times
    shown = seen.frames[:, :, strip : strip + 30 * times]
    assert (shown - source.frames.repeat_interleave(times, 2).repeat_interleave(times, 3)).abs().mean() < 0.02
